"""Pictures as SVG, PNG and PDF, drawn from accounts, traces and histories; see `gatewise.explain.draw.drawing.draw`."""
