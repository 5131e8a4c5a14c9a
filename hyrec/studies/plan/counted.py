"""Which features slice the test rows of a study by how often training has seen their value."""

from __future__ import annotations

from hyrec.messages import suggest
from hyrec.schema import Role, Schema
from hyrec.studies.plan.study import StudyError


def counted_features(schema: Schema, user: str | None = None, item: str | None = None) -> dict[Role, str]:
    """Return the feature of each role whose training impressions are counted.

    Args:
        schema: The data.
        user: Feature that tells users apart. None: the id feature of role ``user`` with the most values.
        item: Feature that tells items apart. None: the id feature of role ``item`` with the most values.

    Raises:
        StudyError: When a feature does not exist or is no id.

    Example:
        >>> from hyrec.schema import Feature, Task
        >>> features = {"user_id": Feature(vocab_size=9), "age": Feature(vocab_size=5)}
        >>> counted_features(Schema(features=features, tasks={"click": Task()}))
        {'user': 'user_id'}
    """
    ids = {name: feature for name, feature in schema.features.items() if feature.kind == "id"}
    found: dict[Role, str] = {}
    given: dict[Role, str | None] = {"user": user, "item": item}
    for role, name in given.items():
        if name is None:
            of_role = sorted(n for n, feature in ids.items() if feature.role == role)
            if of_role:
                found[role] = max(of_role, key=lambda n: ids[n].num_ids)
        elif name not in ids:
            what = "is no feature" if name not in schema.features else f"has kind {schema.features[name].kind!r}"
            raise StudyError(
                f"slices.{role} is {name!r}, which {what}; an id feature is needed.{suggest(name, ids)} "
                f"Id features: {', '.join(ids) or 'none'}."
            )
        else:
            found[role] = name
    return found
