"""Rules of the field as pure functions: dataclasses in, values out. No Flask, SQL, HTTP, files, chance or clock."""
