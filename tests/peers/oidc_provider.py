"""A real OpenID provider, run by the interpreter of its own environment: Django and Django OAuth Toolkit, as they come.

    python oidc_provider.py FOLDER PORT BACK      serves until it is ended; prints "ready" once it listens

Ours is only what every site that runs it writes: the settings, a sign-in form, and which claims it gives away.
"""

from __future__ import annotations

import sys
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

FOLDER, PORT, BACK = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
LOGIN = '<form method="post">{% csrf_token %}{{ form.as_p }}<button>Log in</button></form>'

settings.configure(
    SECRET_KEY="only in tests",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "provider.sqlite"}},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # quick, and nobody's password
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                ],
                "loaders": [
                    ("django.template.loaders.locmem.Loader", {"registration/login.html": LOGIN}),
                    "django.template.loaders.app_directories.Loader",
                ],
            },
        }
    ],
    LOGGING={
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"said": {"class": "logging.StreamHandler"}},
        "loggers": {"django": {"handlers": ["said"], "level": "WARNING"}},
    },
    LOGIN_URL="/login/",
    LOGIN_REDIRECT_URL="/",
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True,
        "OIDC_ISS_ENDPOINT": f"http://127.0.0.1:{PORT}/o",
        "OIDC_RSA_PRIVATE_KEY": (FOLDER / "key.pem").read_text(),
        "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
        "OIDC_RP_INITIATED_LOGOUT_ALWAYS_PROMPT": False,
        "PKCE_REQUIRED": True,
        "OAUTH2_VALIDATOR_CLASS": f"{__name__}.Claims",
        "SCOPES": {"openid": "who you are", "email": "your address", "profile": "your name"},
    },
)
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - Django wants its settings first
from django.contrib.auth.views import LoginView  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402
from oauth2_provider.models import get_application_model  # noqa: E402
from oauth2_provider.oauth2_validators import OAuth2Validator  # noqa: E402


class Claims(OAuth2Validator):
    """What a site tells of its users: an address counts as verified where the user is of the staff."""

    oidc_claim_scope = OAuth2Validator.oidc_claim_scope | {"email_verified": "email"}

    def get_additional_claims(self, request):  # type: ignore[no-untyped-def]
        user = request.user
        return {"email": user.email, "email_verified": user.is_staff, "name": user.get_full_name()}


urlpatterns = [
    path("login/", LoginView.as_view()),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_args: object) -> None: ...


def main() -> None:
    call_command("migrate", verbosity=0)
    users = get_user_model().objects
    for name, mail, verified in (
        ("maker", "Maker@lab.example", True),
        ("other", "other@lab.example", True),
        ("new", "new@elsewhere.example", True),
        ("vague", "maker@lab.example", False),
    ):
        user = users.create_user(name, mail, "their password", first_name=name.title(), last_name="Elsewhere")
        user.is_staff = verified
        user.save()
    get_application_model().objects.create(
        name="fablab",
        client_id="fablab",
        client_secret="the lab's secret",
        client_type="confidential",
        authorization_grant_type="authorization-code",
        redirect_uris=BACK,
        post_logout_redirect_uris=BACK.replace("/login/from/dot", "/login"),
        algorithm="RS256",
    )
    with make_server("127.0.0.1", PORT, get_wsgi_application(), handler_class=Quiet) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    # Under its own name Django finds it as ROOT_URLCONF: it is this very module.
    sys.modules["oidc_provider"] = sys.modules[__name__]
    main()
