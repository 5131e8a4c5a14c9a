"""Local code that tests load with ``--plugin``, as a user's own file."""
