"""``hyrec data init``: from files of an unknown data set to the draft of a recipe or schema. Guesses, and says so."""
