"""A world whose click probabilities are known: users, items, behaviour, requests and planted effects.

Everything is drawn with NumPy from one seed. Each part of the world has a random stream of its own, so
changing the strength of one effect leaves the events, the candidates and every other effect as they were.

What a user does::

    searches   the last search on every surface: (surface, theme)                    at most num_surfaces
    clicks     items whose category follows the user's interests of that day, which drift           short
    views      items of a theme; the user has a favourite category within each theme     long, log-normal

A request shows candidates on one surface. The *sought* theme is that of the user's last search on that
surface, so two hops lead from the context to what matters: surface -> (searches) -> sought theme -> (views of
that theme) -> category. Clicks on candidates do not join later histories: behaviour is a process of its own.
"""
