"""The database itself: settings, server, connections, migrations, roles, publication, as-of."""
