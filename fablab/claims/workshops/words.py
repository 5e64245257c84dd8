"""The closed lists of workshops and sessions, and their tables of steps. Knows no database."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class WorkshopKind(StrEnum):
    """workshop: a group makes or learns something; event: people come to see or to hear."""

    WORKSHOP = "workshop"
    EVENT = "event"


class Level(StrEnum):
    """La Coop's words for how much one has to know (its `niveau_atelier`)."""

    DEBUTANT = "debutant"
    INTERMEDIAIRE = "intermediaire"
    AVANCE = "avance"


class Theme(StrEnum):
    """La Coop's words for what a session is about (its `thematique`, without the administrative procedures)."""

    DIAGNOSTIC_NUMERIQUE = "diagnostic_numerique"
    PRENDRE_EN_MAIN_DU_MATERIEL = "prendre_en_main_du_materiel"
    MAINTENANCE_DE_MATERIEL = "maintenance_de_materiel"
    GERE_SES_CONTENUS_NUMERIQUES = "gere_ses_contenus_numeriques"
    NAVIGATION_SUR_INTERNET = "navigation_sur_internet"
    EMAIL = "email"
    BUREAUTIQUE = "bureautique"
    RESEAUX_SOCIAUX = "reseaux_sociaux"
    SANTE = "sante"
    BANQUE_ET_ACHATS_EN_LIGNE = "banque_et_achats_en_ligne"
    ENTREPRENEURIAT = "entrepreneuriat"
    INSERTION_PROFESSIONNELLE = "insertion_professionnelle"
    SECURITE_NUMERIQUE = "securite_numerique"
    PARENTALITE = "parentalite"
    SCOLARITE_ET_NUMERIQUE = "scolarite_et_numerique"
    CREER_AVEC_LE_NUMERIQUE = "creer_avec_le_numerique"
    CULTURE_NUMERIQUE = "culture_numerique"
    INTELLIGENCE_ARTIFICIELLE = "intelligence_artificielle"


class SchoolLevel(StrEnum):
    """Which class comes; how many adults must come along depends on it."""

    MATERNELLE = "maternelle"
    ELEMENTAIRE = "elementaire"
    COLLEGE = "college"
    LYCEE = "lycee"
    SUPERIEUR = "superieur"
    OTHER = "other"


class Payer(StrEnum):
    """Who pays for it: the school itself or somebody for it; a person for their place; nobody."""

    SCHOOL = "school"
    CITY = "city"
    PASS_CULTURE = "pass_culture"  # noqa: S105 - a State fund for the young
    PERSON = "person"
    FREE = "free"


class Unit(StrEnum):
    SESSION = "session"
    PERSON = "person"


class SessionState(StrEnum):
    """requested: asked for; offered: a date is held for them until `hold_until`; confirmed: it takes place; delivered:
    it has, and who came is written down; closed: nothing is left to do. lapsed: nobody answered in time."""

    REQUESTED = "requested"
    OFFERED = "offered"
    CONFIRMED = "confirmed"
    DELIVERED = "delivered"
    CLOSED = "closed"
    DECLINED = "declined"
    LAPSED = "lapsed"
    CANCELLED = "cancelled"


SESSION_STEPS: Mapping[tuple[SessionState, str], SessionState] = {
    (SessionState.REQUESTED, "hold"): SessionState.OFFERED,
    # The house's own date: nobody has to be asked.
    (SessionState.REQUESTED, "plan"): SessionState.CONFIRMED,
    (SessionState.REQUESTED, "decline"): SessionState.DECLINED,
    (SessionState.REQUESTED, "cancel"): SessionState.CANCELLED,
    (SessionState.OFFERED, "accept"): SessionState.CONFIRMED,
    (SessionState.OFFERED, "move"): SessionState.OFFERED,
    # Not this date: another one is looked for.
    (SessionState.OFFERED, "give_back"): SessionState.REQUESTED,
    (SessionState.OFFERED, "lapse"): SessionState.LAPSED,
    (SessionState.OFFERED, "decline"): SessionState.DECLINED,
    (SessionState.OFFERED, "cancel"): SessionState.CANCELLED,
    (SessionState.CONFIRMED, "move"): SessionState.CONFIRMED,
    (SessionState.CONFIRMED, "deliver"): SessionState.DELIVERED,
    (SessionState.CONFIRMED, "cancel"): SessionState.CANCELLED,
    (SessionState.DELIVERED, "close"): SessionState.CLOSED,
    (SessionState.LAPSED, "reopen"): SessionState.REQUESTED,
    (SessionState.DECLINED, "reopen"): SessionState.REQUESTED,
    (SessionState.CANCELLED, "reopen"): SessionState.REQUESTED,
}

#: Those that hold their places.
LIVE = (SessionState.OFFERED, SessionState.CONFIRMED)


class AcceptedBy(StrEnum):
    """How a school said yes."""

    ONLINE = "online"
    ORDER_NUMBER = "order_number"
    SIGNED = "signed"


class OfferState(StrEnum):
    """proposed: it may be held; held: it is; passed: it was let go, or another one was taken."""

    PROPOSED = "proposed"
    HELD = "held"
    PASSED = "passed"


OFFER_STEPS: Mapping[tuple[OfferState, str], OfferState] = {
    (OfferState.PROPOSED, "hold"): OfferState.HELD,
    (OfferState.PROPOSED, "pass"): OfferState.PASSED,
    (OfferState.HELD, "pass"): OfferState.PASSED,
}


class EntryKind(StrEnum):
    """What a line of the thread says."""

    REQUESTED = "requested"
    EMAIL_CONFIRMED = "email_confirmed"
    EDITED = "edited"
    MESSAGE = "message"
    PROPOSED = "proposed"
    HELD = "held"
    QUOTED = "quoted"
    REMINDED = "reminded"
    GIVEN_BACK = "given_back"
    ACCEPTED = "accepted"
    ORDERED = "ordered"
    SIGNED = "signed"
    PLANNED = "planned"
    MOVED = "moved"
    LAPSED = "lapsed"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    REOPENED = "reopened"
    MEDIATOR = "mediator"
    FILES = "files"
    PRINTED = "printed"
    RELEASED = "released"
    CAUGHT_UP = "caught_up"
    PROBLEM = "problem"
    ATTENDED = "attended"
    DELIVERED = "delivered"
    CERTIFIED = "certified"
    CHARGED = "charged"
    INVOICED = "invoiced"
    CREDITED = "credited"
    QUESTIONNAIRE = "questionnaire"
    ANSWERED = "answered"
    CLOSED = "closed"


class KeyUse(StrEnum):
    """confirm: that the address is theirs, once; thread: the session's page; registration: one's own place."""

    CONFIRM = "confirm"
    THREAD = "thread"
    REGISTRATION = "registration"


class AttendanceAxis(StrEnum):
    AGE = "age"
    GENDER = "gender"
    STATUS = "status"
    ADULTS = "adults"


class RegistrationState(StrEnum):
    """joined: has a place; waiting: for one; offered: one is kept for them until `hold_until`; attended, absent: as it
    was in the end; left: gave it up, or let it lapse."""

    JOINED = "joined"
    WAITING = "waiting"
    OFFERED = "offered"
    ATTENDED = "attended"
    ABSENT = "absent"
    LEFT = "left"


REGISTRATION_STEPS: Mapping[tuple[RegistrationState, str], RegistrationState] = {
    (RegistrationState.WAITING, "offer"): RegistrationState.OFFERED,
    (RegistrationState.OFFERED, "take"): RegistrationState.JOINED,
    (RegistrationState.OFFERED, "lapse"): RegistrationState.LEFT,
    (RegistrationState.JOINED, "leave"): RegistrationState.LEFT,
    (RegistrationState.WAITING, "leave"): RegistrationState.LEFT,
    (RegistrationState.OFFERED, "leave"): RegistrationState.LEFT,
    (RegistrationState.LEFT, "join"): RegistrationState.JOINED,
    (RegistrationState.LEFT, "wait"): RegistrationState.WAITING,
    (RegistrationState.JOINED, "attend"): RegistrationState.ATTENDED,
    (RegistrationState.WAITING, "attend"): RegistrationState.ATTENDED,  # somebody did not come
    (RegistrationState.OFFERED, "attend"): RegistrationState.ATTENDED,
    (RegistrationState.JOINED, "miss"): RegistrationState.ABSENT,
    # What was ticked wrongly is put right.
    (RegistrationState.ATTENDED, "miss"): RegistrationState.ABSENT,
    (RegistrationState.ABSENT, "attend"): RegistrationState.ATTENDED,
}
