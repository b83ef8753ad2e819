"""Rules of dbt-score that are this project's own: what a description must say. Loaded by name from `[tool.dbt-score]`.

Each is critical: an item that breaks one scores 0, whatever else it has.
"""

import re

from dbt_score import Macro, Model, RuleViolation, Seed, Severity, Source, rule

# words that say nothing about a column
EMPTY_WORDS = frozenset({"a", "an", "and", "as", "at", "by", "for", "in", "is", "its", "of", "on", "the", "to"})
_SIGNATURE = re.compile(r"{%-?\s*(?:macro|test)\s+\w+\s*\((?P<arguments>.*?)\)\s*-?%}", re.DOTALL)
_ARGUMENT = re.compile(r"(?:^|,)\s*(\w+)\s*(?:=\s*(?:\[[^\]]*\]|{[^}]*}|'[^']*'|[^,]*))?")


def says_only_its_name(name: str, description: str) -> bool:
    """Whether a description has no word that is not in the column's name: `birth_year` as 'Year of birth.'"""
    words = {word.removesuffix("s") for word in re.findall(r"\w+", description.lower())} - EMPTY_WORDS
    return words <= {word.removesuffix("s") for word in name.split("_")}


def signature(macro_sql: str) -> list[str]:
    """Names of the arguments of a macro or generic test, in order; a materialisation has none."""
    found = _SIGNATURE.search(macro_sql)
    return _ARGUMENT.findall(found["arguments"]) if found else []


def _restated(item: Model | Seed) -> RuleViolation | None:
    found = [column.name for column in item.columns if says_only_its_name(column.name, column.description)]
    return RuleViolation(f"Say more than the name does: {', '.join(found)}.") if found else None


@rule(severity=Severity.CRITICAL)
def columns_say_more_than_their_names(model: Model) -> RuleViolation | None:
    """A column's description says what its name does not: formula, unit, source, or when it is null."""
    return _restated(model)


@rule(severity=Severity.CRITICAL)
def seed_columns_say_more_than_their_names(seed: Seed) -> RuleViolation | None:
    """The same of the columns of a seed."""
    return _restated(seed)


@rule(severity=Severity.CRITICAL)
def macro_arguments_are_named(macro: Macro) -> RuleViolation | None:
    """The YAML of a macro names the arguments of its signature, in their order: no more, no fewer."""
    wanted, named = signature(macro.macro_sql), [str(argument["name"]) for argument in macro.arguments]
    if wanted != named:
        return RuleViolation(f"The signature has {wanted}, the YAML {named}.")
    return None


@rule(severity=Severity.CRITICAL)
def source_says_what_a_row_is(source: Source) -> RuleViolation | None:
    """The description of a table that others write says what one of its rows is."""
    if "one row per" not in source.description.lower():
        return RuleViolation("Say `one row per …`.")
    return None
