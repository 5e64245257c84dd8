"""Signing in beyond passwords: providers, second factors, recovery codes, the list of sign-ins: their codes in English."""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


SENTENCES: dict[str, str] = {
    "login.second_step": _("The password is right. Now the code of your second factor is needed."),
    "login.step_expired": _("That took too long. Please sign in again from the beginning."),
    "password.differ": _("The two are not the same."),
    "access.confirm": _("Before this is changed, please confirm that it is you."),
    "confirm.wrong": _("Password or code is wrong."),
    "confirm.no_password": _("You have no password here: confirm with the account that lets you in."),
    "confirm.not_you": _("That account is not linked with yours here."),
    "confirm.too_old": _("The other site did not ask for your password just now, so nothing was confirmed."),
    "factor.wrong": _("This code is wrong, or it has been used already."),
    "factor.on": _("You have a second factor already."),
    "factor.off": _("There is no second factor."),
    "factor.not_begun": _("This was not begun, or too long ago. Please begin again."),
    "factor.own": _("Your own second factor is changed on your page “Security”."),
    "factor.grace": _("The time for it is 0 to %(most)s days."),
    "factor.required": _("The house wants a second factor from everybody who works the machines."),
    "session.unknown": _("This sign-in has ended already."),
    "token.no_scope": _("A token needs at least one scope."),
    "token.gone": _("There is no such token, or it was withdrawn already."),
    "trip.unknown": _("This answer of the other site is too old, or it was not asked for by this browser."),
    "provider.unknown": _("This lab knows no such way to sign in."),
    "provider.down": _("%(provider)s does not answer just now."),
    "provider.denied": _("You did not agree over there, so nobody was signed in."),
    "provider.no_answer": _("The other site could not say who you are."),
    "provider.wrong_answer": _("What the other site answered does not hold, so nobody was signed in."),
    "arrival.new": _("You are new here: a little is still missing."),
    "arrival.unknown": _("That took too long. Please sign in again from the beginning."),
    "arrival.waiting": _("Your account waits for the staff’s yes. You will get a letter."),
    "arrival.not_active": _("Your account is not active."),
    "arrival.unverified": _(
        "The other site does not vouch for your e-mail address, so you cannot come in with it."
    ),
    "arrival.link_first": _("There is an account here with your e-mail address, but it is not linked yet."),
    "arrival.taken": _("Meanwhile somebody has this e-mail address here."),
    "identity.unverified": _(
        "The other site does not vouch for your e-mail address, so it cannot be linked."
    ),
    "identity.other_email": _("The other site knows you by another e-mail address than this one."),
    "identity.taken": _("That account is linked with another member already."),
    "identity.unknown": _("There is no such link."),
    "identity.subject": _("The other site says nothing by which you could be known again."),
    "identity.last_way_in": _("It is your only way in."),
}
REMEDIES: dict[str, str] = {
    "confirm.too_old": _("Please try again, and sign in anew over there."),
    "factor.wrong": _("Codes change every half minute; wait for the next one. Is the phone’s clock right?"),
    "factor.required": _("Please set one up on your page “Security”; then everything goes on."),
    "trip.unknown": _("Please begin again from the sign-in page."),
    "provider.down": _("Sign in with your password, or try again later."),
    "provider.wrong_answer": _("Please tell the staff if it happens again."),
    "arrival.not_active": _("Please ask the staff."),
    "arrival.link_first": _("Sign in with your password, then link the two on your page “Security”."),
    "identity.other_email": _("Both must have the same address: change it here or there first."),
    "identity.last_way_in": _("Choose a password first."),
}
NOTICES: dict[str, str] = {
    "security.new_browser": _(
        "Somebody signed in with your account from a new browser: %(agent)s, address %(address)s."
        " If it was not you, change your password and end that sign-in."
    ),
    "security.wrong_codes": _(
        "Somebody at the address %(address)s gave your right password and several wrong codes."
        " If it was not you, change your password."
    ),
    "security.factor_on": _("Your account now has a second factor."),
    "security.factor_off": _(
        "Your account has no second factor any more. If it was not you, tell the staff."
    ),
    "security.factor_reset": _("%(by)s has taken the second factor off your account: %(why)s"),
    "security.factor_wanted": _(
        "The house wants a second factor from everybody who works the machines."
        " Please set one up until %(until)s; after that you can do nothing else first."
    ),
    "security.codes_made": _("Your account has new recovery codes; those of before open nothing any more."),
    "security.recovery_used": _("Somebody signed in with one of your recovery codes. Codes left: %(left)s."),
    "security.password_changed": _(
        "The password of your account was changed, and every other sign-in was ended."
        " If it was not you, tell the staff."
    ),
    "security.token_made": _("A token for programs was made for your account: “%(name)s”."),
    "security.identity_linked": _("An account elsewhere now lets you in here: %(provider)s."),
    "security.identity_removed": _("An account elsewhere lets you in here no more: %(provider)s."),
}
SHORT: dict[str, str] = {}
WORDS: dict[str, dict[str, str]] = {
    "scope": {
        "read": _("read"),
        "submit": _("submit jobs"),
        "operate": _("work the machines"),
        "manage": _("run the house"),
    },
}
TITLES: dict[str, str] = {}
