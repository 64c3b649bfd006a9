"""Every sentence that a member can read. Functions of facts; nothing here knows Discord's objects."""

from bot.texts import administration as admin
from bot.texts.answers import (
    COMMAND_CHANGED,
    NOT_POSTED,
    accepted,
    bug,
    cancelled,
    job_label,
    model_label,
    models_list,
    not_a_choice,
    out_of_range,
    queue_list,
    still_running,
    storage,
    thrown_away,
    wrong_kind,
)
from bot.texts.endings import ending, notice, pointer, result
from bot.texts.progress import queue_message
from bot.texts.refusals import refusal
from bot.texts.report import not_shown, report
from bot.texts.words import inert

__all__ = [
    "COMMAND_CHANGED",
    "NOT_POSTED",
    "accepted",
    "admin",
    "bug",
    "cancelled",
    "ending",
    "inert",
    "job_label",
    "model_label",
    "models_list",
    "not_a_choice",
    "not_shown",
    "notice",
    "out_of_range",
    "pointer",
    "queue_list",
    "queue_message",
    "refusal",
    "report",
    "result",
    "still_running",
    "storage",
    "thrown_away",
    "wrong_kind",
]
