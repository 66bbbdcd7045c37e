"""Layers that turn what data come as (text, categories, raw numbers) into numbers for a network."""
