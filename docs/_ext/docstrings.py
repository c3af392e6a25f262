"""Turn docstrings into reStructuredText, and read signatures from the source.

A docstring is prose with code in single backticks, indented formulas, and the sections Args, Returns, Yields,
Raises, Example and Source. Names of the package in backticks become links.
"""

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator

from public_names import comment_on

SECTIONS = ("Args", "Returns", "Yields", "Raises", "Example", "Examples", "Source", "Note")
FIELDS = {"Args": "param", "Raises": "raises"}
HEAD = re.compile(rf"({'|'.join(SECTIONS)}):$")
ENTRY = re.compile(r"(\*{0,2}[\w., ]+):\s+(.*)")
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
COLUMNS = re.compile(r"(\S+(?: \S+)*)\s{2,}(\S.*)")  # at least two spaces separate two columns

Resolve = Callable[[str], str | None]  # a name in backticks -> the path of what is documented under it


def as_rst(docstring: str, resolve: Resolve = lambda name: None) -> str:
    """Return a docstring as reStructuredText."""
    parts = _split(inspect.cleandoc(docstring).splitlines())
    return "\n\n".join(part for title, lines in parts if (part := _section(title, lines, resolve))) + "\n"


def prose(lines: list[str], resolve: Resolve = lambda name: None) -> str:
    """Return paragraphs, examples, formulas and lists in columns as reStructuredText."""
    text = "\n".join(lines).strip("\n")
    written = []
    for block in re.split(r"\n\s*\n", text) if text.strip() else []:
        block_lines = block.splitlines()
        if block_lines[0].lstrip().startswith(">>>"):
            written.append(textwrap.dedent(block))
        elif rows := _rows(textwrap.dedent(block).splitlines()):
            written.append(_table(rows, resolve))
        elif all(line.startswith("    ") for line in block_lines):
            written.append("::\n\n" + textwrap.indent(textwrap.dedent(block), "    "))
        else:
            written.append(inline(textwrap.dedent(block), resolve))
    return "\n\n".join(written)


def inline(text: str, resolve: Resolve = lambda name: None) -> str:
    """Return a paragraph with its code marked up and linked to the reference."""

    def marked(match: re.Match) -> str:
        code = match[1]
        path = resolve(code)
        return f":py:obj:`{code} <{path}>`" if path else f"``{code}``"

    pieces, at = [], 0
    for match in CODE.finditer(text):
        pieces += [_escaped(text[at : match.start()]), marked(match)]
        at = match.end()
        if text[at : at + 1].isalnum():
            pieces.append("\\ ")
    return "".join([*pieces, _escaped(text[at:])])


def signature_of(what: str, value: object) -> tuple[str, str] | None:
    """Return arguments and result type as written in the source, or None if there is no source."""
    if what == "class":
        if dataclasses.is_dataclass(value):
            return f"({', '.join(_written(each) for each in _fields(value))})", ""
        home, value = value.__module__, vars(value).get("__init__")
        if value is None or value.__module__ != home:  # inherited, or generated for a protocol
            return "", ""
    function = inspect.unwrap(getattr(value, "__func__", value))
    if not inspect.isfunction(function):
        return None
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    if tree.args.args and tree.args.args[0].arg in ("self", "cls"):
        del tree.args.args[0]
    returned = ast.unparse(tree.returns) if tree.returns and what != "class" else ""
    return f"({ast.unparse(tree.args)})", returned


def described_fields(value: type) -> str:
    """Return the comments on the fields of a dataclass as the section Args of a docstring."""
    lines = tuple(textwrap.dedent(inspect.getsource(value)).splitlines())
    entries = [(each.target.id, comment_on(lines, each)) for each in _fields(value)]
    written = [f"    {name}: {comment}" for name, comment in entries if comment]
    return "\n".join(["Args:", *written]) if written else ""


def _fields(value: type) -> list[ast.AnnAssign]:
    """The fields of a dataclass, in its source."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(value))).body
    return [each for each in tree.body if isinstance(each, ast.AnnAssign) and "ClassVar" not in ast.unparse(each)]


def _written(field: ast.AnnAssign) -> str:
    """A field as a parameter."""
    default = f" = {ast.unparse(field.value)}" if field.value else ""
    return f"{field.target.id}: {ast.unparse(field.annotation)}{default}"


def _split(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The sections of a docstring; the first has no title."""
    title, held = "", []
    for line in lines:
        if head := HEAD.match(line):
            yield title, held
            title, held = head[1], []
        else:
            held.append(line)
    yield title, held


def _section(title: str, lines: list[str], resolve: Resolve) -> str:
    """One section."""
    if not title:
        return prose(lines, resolve)
    body = textwrap.dedent("\n".join(lines)).strip("\n").splitlines()
    if title in FIELDS:
        return "\n".join(
            f":{FIELDS[title]} {name}: {_hanging(text, resolve)}" for name, text in _entries(body) if name or text
        )
    if title in ("Returns", "Yields"):
        return f":{title.lower()}: {_hanging(chr(10).join(body), resolve)}"
    return f".. rubric:: {title}\n\n{prose(body, resolve)}"


def _entries(lines: list[str]) -> Iterator[tuple[str, str]]:
    """The entries `name: text` of a section; continuation lines are indented."""
    name, held = "", []
    for line in lines:
        entry = ENTRY.match(line)
        if entry and not line.startswith(" "):
            if held:
                yield name, "\n".join(held)
            name, held = entry[1].lstrip("*"), [entry[2]]
        else:
            held.append(line.removeprefix("    "))
    if held:
        yield name, "\n".join(held)


def _hanging(text: str, resolve: Resolve) -> str:
    """Text of a field, with its continuation lines indented."""
    return textwrap.indent(prose(text.splitlines(), resolve), "    ").lstrip()


def _rows(lines: list[str]) -> list[tuple[str, str]]:
    """The rows of a two-column list, such as the files of a package; empty if it is no such list."""
    found = [COLUMNS.match(line) for line in lines]
    if not found[0] or len(lines) < 2:
        return []
    column, rows = found[0].start(2), []
    for line, columns in zip(lines, found, strict=True):
        if columns:
            rows.append((columns[1], columns[2]))
        elif line.startswith("  "):  # continues the row above
            rows[-1] = rows[-1][0], f"{rows[-1][1]} {line.strip()}"
        elif line[column - 1 : column] == " ":  # the longest name, followed by a single space
            rows.append((line[:column].strip(), line[column:]))
        else:
            return []
    return rows


def _table(rows: list[tuple[str, str]], resolve: Resolve) -> str:
    """A list in two columns."""
    written = [f"   * - {inline(f'`{name}`')}\n     - {inline(text, resolve)}" for name, text in rows]
    return "\n".join([".. list-table::", "   :widths: auto", "", *written])


def _escaped(text: str) -> str:
    """Prose, escaped so that only *emphasis* is markup."""
    text = re.sub(r"\*(?!\w[^*\n]*\w\*|\w\*)(?<!\w\*)", r"\\*", text)
    return re.sub(r"([|_])(?=\s|$|[.,;:)])", r"\\\1", text)
