"""What a server (granian) and the `flask` command load."""

from portal import create_app
from portal.log import configure

configure()
app = create_app()
