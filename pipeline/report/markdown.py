"""``report.md``: the contents of a report as Markdown, with its figures as PNG files beside it."""

from collections.abc import Sequence

from pipeline.report.contents import Contents
from pipeline.report.samples import Sample, Story
from pipeline.report.tables import Table

PICTURES = "report"


def render_markdown(contents: Contents) -> str:
    """The text; its pictures are ``report/budget.png`` and ``report/<stage>.png``."""
    parts = [
        f"# {contents.name}",
        f"Recipe `{contents.recipe}`, scale `{contents.scale}`, seed {contents.seed}; {contents.seconds:,.0f} seconds "
        f"of compute and {contents.tokens:,} tokens generated (evaluations not counted) are behind what is here.",
        f"{contents.trained} {contents.outcome}".strip(),
        "Shares are in percent, with 95% intervals; *n* problems, *k* samples each. Every completion behind a figure "
        "is in `<stage>_eval/results/`.",
        "## What each stage gained",
        render_table(contents.results) if contents.results.rows else "Nothing is evaluated yet.",
    ]
    if contents.papers:
        parts.append("### The same stages in the paper")
        parts.append("Other models, other problems: directions compare, levels do not.")
    for paper, table in contents.papers:
        source = f"{paper.model}: [{paper.paper}]({paper.link}), {paper.table}. {paper.note}"
        parts += [source.strip(), render_table(table)]
    if contents.budget:
        parts += ["## Accuracy against the thinking budget", f"![budget curve]({PICTURES}/budget.png)"]
        parts.append(render_table(contents.budget.table))
    if contents.rewards:
        pictures = [f"![{stage}]({PICTURES}/{stage}.png)" for stage in contents.rewards.rows]
        parts += ["## Reinforcement learning", *pictures, render_table(contents.rewards.table)]
    if contents.instructions:
        parts += ["## Instruction following by kind", render_table(contents.instructions)]
    if contents.stories:
        parts += ["## One problem through all stages", "The first sample at the evaluation's settings, whatever it is."]
    for story in contents.stories:
        parts += _story(story)
    parts += [
        "## What each stage cost",
        render_table(contents.costs),
        "## To repeat it",
        f"```bash\n{contents.command}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def render_table(table: Table) -> str:
    head = list(table.head)
    spans = [name for name, columns in table.groups for _ in range(columns)]
    if spans:  # Markdown has one line of heads
        head = [f"{group}: {name}" if group else name for group, name in zip(spans, head, strict=True)]
    rows: list[Sequence[str]] = [head, ["---"] * len(head)]
    for row in table.rows:
        name = f"{row.name} ({', '.join(row.notes)})" if row.notes else row.name
        rows.append([name, *(str(cell) for cell in row.cells)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _story(story: Story) -> list[str]:
    parts = [f"### Answer {story.gold}", fenced(story.question)]
    for stage, samples in story.stages:
        parts += [_sample(stage, story.parts[part], sample) for part, sample in samples.items()]
    return parts


def _sample(stage: str, title: str, sample: Sample) -> str:
    verdict = sample.fault or sample.verdict
    facts = f" ({sample.facts})" if sample.facts else ""
    return f"**{stage}**, {title}: {verdict}{facts}\n\n{fenced(sample.text)}"


def fenced(text: str) -> str:
    return "```text\n" + text.replace("```", "ʼʼʼ") + "\n```"
