"""The interactive page: `gatewise explore`, `gatewise.explore(model, x).save("report.html")`.

report.py       what the page reads, from `account` and `trace`, as data
texts.py        its words, in three languages
single_file.py  the page as one file
explorer.py     what `gatewise.explore` returns
server.py       the page from a server on this machine, with uploads;  serving.py runs it
static/         the page itself: one module (in files by subject), its style, its frame
"""
