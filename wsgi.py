"""What a server (granian) and the `flask` command load."""

import gc

from portal import create_app
from portal.log import configure

configure()
app = create_app()
gc.collect()
gc.freeze()  # what is loaded now stays: looking through it again and again takes a twentieth of each page's time
