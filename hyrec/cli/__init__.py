"""The command line. Nothing is imported here, so that ``hyrec --help`` stays instant."""
