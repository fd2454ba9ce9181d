"""From files to a result: pipeline, table, page. No flag of the command line is known here."""
