"""``report.html``: the contents of a report as one page that opens anywhere, offline.

Text that a model wrote is not trusted: the template escapes everything but the figures, which are ours, and the page's
own policy lets nothing be loaded or run.
"""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pipeline.report.contents import Contents

TEMPLATE = "report.html.jinja"


def render_html(contents: Contents, figures: dict[str, str]) -> str:
    """The page. ``figures``: ``budget`` and each RL stage -> its ``<svg>`` element."""
    drawn = {name: Markup(svg) for name, svg in figures.items()}
    return environment().get_template(TEMPLATE).render(run=contents, figures=drawn)


def environment() -> Environment:
    """Where templates are found, and how: everything is escaped, and a name that is missing is an error."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["code"] = code
    return made


def code(text: str) -> Markup:
    """Text of ours with names in backticks, which Markdown takes as they are: escaped, and the names set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
