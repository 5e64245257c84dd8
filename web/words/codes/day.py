"""The day of a session and its papers: their codes in English."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    "document.failed": _("This document could not be made."),
    "document.value": _("This document cannot be made: a value in it cannot be printed."),
    "document.too_long": _("This document would be too long."),
    "session.not_begun": _("The session has not begun yet."),
    "session.no_attendance": _("Nobody has counted yet who came."),
    "session.too_many_pieces": _("A session makes %(most)s pieces at most."),
    "session.not_held": _("The session does not have this machine any more."),
    "session.no_date": _("This request has no date yet."),
    "piece.none": _("There was no file."),
    "piece.name": _("A label has room for a first name or a number: %(most)s letters at most, no address."),
    "piece.names": _("There are %(names)s names for %(files)s files."),
    "piece.copies": _("How many of it: a number up to %(most)s."),
    "attendance.word": _("This is none of the groups that are counted."),
    "attendance.people": _("A number from 0 to %(most)s."),
    "attendance.sum": _("These add up to %(counted)s, but %(people)s people came."),
    "survey.unknown": _("There are no questions behind this link."),
    "survey.over": _("These questions are no longer open. Thank you for wanting to answer."),
    "survey.mark": _("Please choose a number for each question."),
    "survey.remark": _("Please write less: %(most)s letters at most."),
    "survey.full": _("There are enough answers. Thank you."),
    "upload.too_many_files": _("At most %(most)s files at once. Add the others in a second heap."),
}
REMEDIES: dict[str, str] = {
    "document.failed": _("Tell the staff, with the time at which you asked for it."),
    "session.no_attendance": _("Count who came, then end the session."),
}
NOTICES: dict[str, str] = {}
SHORT: dict[str, str] = {}
WORDS: dict[str, dict[str, str]] = {
    "day_fact": {
        "group": _("Group"),
        "where": _("Where"),
        "led_by": _("Led by"),
        "machines": _("Machines"),
        "kit": _("Kit"),
        "contact": _("Contact"),
        "note": _("Note"),
    },
    "day_part": {
        "setup": _("Set-up"),
        "workshop": _("Workshop"),
        "clear": _("Clearing"),
    },
    "attendance_axis": {
        "age": _("Age"),
        "gender": _("Gender"),
        "status": _("Status"),
        "adults": _("Adults with them"),
    },
    "attendance_age": {
        "moins_de_douze": _("under 12"),
        "douze_dix_huit": _("12 to 18"),
        "dix_huit_vingt_quatre": _("18 to 24"),
        "vingt_cinq_trente_neuf": _("25 to 39"),
        "quarante_cinquante_neuf": _("40 to 59"),
        "soixante_soixante_neuf": _("60 to 69"),
        "soixante_dix_plus": _("70 and over"),
        "non_communique": _("not said"),
    },
    "attendance_gender": {
        "feminin": _("female"),
        "masculin": _("male"),
        "non_communique": _("not said"),
    },
    "attendance_status": {
        "scolarise": _("at school or studying"),
        "sans_emploi": _("without a job"),
        "en_emploi": _("in a job"),
        "retraite": _("retired"),
        "non_communique": _("not said"),
    },
    "survey_question": {
        "liked": _("Did you like it?"),
        "learnt": _("Did you learn something new?"),
        "helped": _("Was somebody there when you needed help?"),
        "again": _("Would you come again?"),
    },
}
TITLES: dict[str, str] = {}
