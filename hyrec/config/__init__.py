"""What a command line or file means, and the objects that it asks for. Nothing here prints or runs."""
