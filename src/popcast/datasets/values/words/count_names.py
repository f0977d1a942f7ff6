"""Names of columns that hold counts, in the languages of exports: their numbers are whole; version 1."""

from __future__ import annotations

import re

_COUNTS = re.compile(
    r"(?:^|[^a-z])(?:n|num|nb|no|nr|anzahl|total|cnt)[^a-z]|count|anzahl|likes?\b|likes?[^a-z]|follow|fans?(?:[^a-z]|$)"
    r"|views?(?:[^a-z]|$)|plays?(?:[^a-z]|$)|shares?(?:[^a-z]|$)|comment|replies|retweet|repost|reblog|reactions?"
    r"|subscri|favou?rites?|upvotes?|downvotes?|digg|hearts?(?:[^a-z]|$)|impressions?|reach(?:[^a-z]|$)|clicks?"
    r"|interactions?|abonn|gefällt|aufrufe|kommentare|geteilt|reaktion|j'aime|vues|partages|commentaires|me gusta"
    r"|curtidas|seguidor|visualiza|reproducci|compartid|compartilh|comentário|comentario|粉丝|点赞|评论|转发|播放|收藏|关注"
    r"|いいね|フォロ|再生|コメント"
)
_NOT = re.compile(
    r"avg|average|mean|median|rate|ratio|per_|_per|percent|pct|log|std|share_of|score|mittel|moyen|media_"
)


def counted(name: str) -> bool:
    """Whether a column of this name counts something.

    >>> counted("followersCount"), counted("num_likes"), counted("avg_likes"), counted("length")
    (True, True, False, False)
    """
    small = name.lower()
    return bool(_COUNTS.search(small)) and not _NOT.search(small)
