"""The Flask application: settings, extensions, blueprints, in the order in which they must see a request."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, request, session
from flask_babel import Babel
from flask_limiter import Limiter
from flask_login import current_user
from flask_wtf import CSRFProtect

from portal.ports import Ports
from portal.services.people.authenticating import LANGUAGES
from portal.settings import LOOPBACK
from portal.web import access, edge, filters, handlers, htmx, pieces, sessions, texts
from portal.web.accounts.views import blueprint as accounts
from portal.web.admin.views import blueprint as admin
from portal.web.auth.views import blueprint as auth
from portal.web.clients.views import blueprint as clients
from portal.web.connections.views import blueprint as connections
from portal.web.documents.views import blueprint as documents
from portal.web.finances.views import blueprint as finances
from portal.web.firm import views as firm
from portal.web.health.views import blueprint as health
from portal.web.help.views import blueprint as help_pages
from portal.web.messages.views import blueprint as messages
from portal.web.missing.views import blueprint as missing
from portal.web.payments.views import blueprint as payments
from portal.web.profile.views import blueprint as profile
from portal.web.receipts.views import blueprint as receipts
from portal.web.review.colleagues import blueprint as colleagues
from portal.web.review.collective import blueprint as collective
from portal.web.review.copies import blueprint as copies
from portal.web.review.parts import blueprint as parts
from portal.web.review.saved import blueprint as saved_views
from portal.web.review.views import blueprint as review
from portal.web.webhooks import views as webhooks

BLUEPRINTS = (
    auth, profile, receipts, missing, connections, accounts, finances, payments, review, copies, colleagues, collective,
    saved_views, parts, documents, clients, messages, admin, help_pages, firm.blueprint, health, webhooks.blueprint,
)  # fmt: skip
LARGEST_UPLOAD = 25 * 1024 * 1024
COARSE_LIMIT = "600 per minute"  #: of changes and of strangers' requests, per address and web process


def create(ports: Ports) -> Flask:
    """Wire the web over these ports."""
    settings = ports.settings
    app = Flask("portal", template_folder="../templates", static_folder="../static")
    app.extensions["ports"] = ports
    public = urlsplit(settings.public_url)
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SERVER_NAME=public.netloc,
        PREFERRED_URL_SCHEME=public.scheme,
        MAX_CONTENT_LENGTH=LARGEST_UPLOAD,
        SESSION_COOKIE_NAME=sessions.COOKIE,
        WTF_CSRF_TIME_LIMIT=None,  # a token lasts as long as its session
        WTF_CSRF_SSL_STRICT=False,  # `edge` looks at Origin and Sec-Fetch-Site instead of the Referer
        BABEL_DEFAULT_LOCALE="de",
        BABEL_DEFAULT_TIMEZONE="Europe/Berlin",
        RATELIMIT_STORAGE_URI="memory://",
        RATELIMIT_HEADERS_ENABLED=False,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    if public.hostname not in LOOPBACK:
        app.wsgi_app = edge.BehindProxy(app.wsgi_app)  # type: ignore[method-assign]
    sessions.register(app, ports)
    edge.register(app, settings)
    access.register(app)
    _limiter(app)
    CSRFProtect(app).exempt(webhooks.blueprint)  # no browser calls it; each call is signed
    Babel(app, locale_selector=chosen_language)
    texts.register(app)
    pieces.register(app)
    htmx.register(app)
    filters.register(app)
    handlers.register(app)
    firm.register(app, settings)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    access.refuse_unmarked(app)
    return app


def chosen_language() -> str:
    """The person's, else what this browser chose before signing in, else what it prefers, else German."""
    if current_user and current_user.is_authenticated:
        return str(current_user.language)
    if session.get("language") in LANGUAGES:
        return str(session["language"])
    return request.accept_languages.best_match(LANGUAGES) or "de"


def _limiter(app: Flask) -> None:
    """Against floods only; guessing is counted in the database (`services/people/throttling.py`)."""
    limiter = Limiter(edge.address, app=app, default_limits=[COARSE_LIMIT])

    @limiter.request_filter
    def _is_exempt() -> bool:
        if request.endpoint in {"static", "health.healthz", "webhooks.hear"}:
            return True
        return request.method in {"GET", "HEAD"} and bool(current_user and current_user.is_authenticated)
