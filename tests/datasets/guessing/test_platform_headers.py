"""Header lines of many platforms and languages, with values as they print them, and the role of every column."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from popcast.datasets.guessing.column_roles import guess
from popcast.datasets.reading.open_rows import rows_of_frame

N = 60
KINDS = {
    "id": lambda i: str(1_350_000_000_000_000_000 + i * 977),
    "hash": lambda i: f"a{i * 7919:x}",
    "uri": lambda i: f"at://did:plc:x/app.bsky.feed.post/{i}",
    "who": lambda i: f"account_{i % 9}",
    "who_id": lambda i: str(5000 + i % 9),
    "iso": lambda i: f"2024-0{1 + i % 9}-{1 + i % 28:02}T10:0{i % 10}:00Z",
    "german": lambda i: f"{1 + i % 28:02}.{1 + i % 9:02}.2024 09:41",
    "twitter": lambda i: f"Wed Aug {1 + i % 28:02} 20:19:24 +0000 2014",
    "zone": lambda i: f"2021-03-{1 + i % 28:02} 12:00:00 EST",
    "epoch": lambda i: str(1_600_000_000 + i * 86_400),
    "iso_of_epoch": lambda i: datetime.fromtimestamp(1_600_000_000 + i * 86_400, UTC).isoformat(),
    "text": lambda i: f"word{i} is what we say today about number {i * 31 % 17}",
    "other_text": lambda i: f"Entirely different line {i}: sun, rain and wind{i % 5}",
    "zh": lambda i: f"今天天气很好，我们去公园散步吧，第{i}天。大家也一起来看看风景吧！真的很美丽，很开心",
    "kind": lambda i: ("photo", "video", "link")[i % 3],
    "lang": lambda i: ("en", "de")[i % 2],
    "count": lambda i: str(i * i % 1000),
    "shown": lambda i: f"{1 + i % 9},{i % 10} Tsd." if i % 2 else str(i),
    "rate": lambda i: f"0.{i % 90 + 10}",
    "bool": lambda i: ("true", "false")[i % 2],
    "seconds": lambda i: str(5 + i % 55),
    "url": lambda i: f"https://example.org/p/{i}",
    "list": lambda i: f"['tag{i % 4}', 'more']",
    "clock": lambda i: f"0:{10 + i % 50}",
    "empty": lambda i: None,
    "same": lambda i: "one",
}

# platform, outcome named by --label, {column: (kind of values, role)}
HEADERS = [
    ("X, API v2", "public_metrics.like_count", {
        "id": ("id", "id"), "text": ("text", "text"), "created_at": ("iso", "time"), "author_id": ("who_id", "author"),
        "lang": ("lang", "category"), "conversation_id": ("id", "left out"), "possibly_sensitive": ("bool", "number"),
        "public_metrics.like_count": ("count", "label"), "public_metrics.retweet_count": ("count", "posthoc"),
        "public_metrics.reply_count": ("count", "posthoc"), "public_metrics.quote_count": ("count", "posthoc"),
        "public_metrics.impression_count": ("count", "posthoc"), "entities.hashtags": ("list", "tags"),
        "author.public_metrics.followers_count": ("count", "author_number"),
        "in_reply_to_user_id": ("who_id", "left out"),
    }),
    ("X, API v1", "retweet_count", {
        "created_at": ("twitter", "time"), "id": ("id", "left out"), "id_str": ("id", "id"),
        "full_text": ("text", "text"), "user.id_str": ("who_id", "left out"), "user.screen_name": ("who", "author"),
        "user.followers_count": ("count", "author_number"), "user.friends_count": ("count", "author_number"),
        "user.statuses_count": ("count", "author_number"), "user.created_at": ("twitter", "left out"),
        "user.description": ("other_text", "left out"), "retweet_count": ("count", "label"),
        "favorite_count": ("count", "posthoc"), "is_quote_status": ("bool", "number"),
        "quoted_status.text": ("text", "left out"), "quoted_status.favorite_count": ("count", "left out"),
        "in_reply_to_status_id": ("id", "left out"), "source": ("url", "left out"),
    }),
    ("twint", "likes_count", {
        "id": ("id", "id"), "conversation_id": ("id", "left out"), "created_at": ("zone", "time"),
        "date": ("iso", "left out"), "timezone": ("same", "left out"), "user_id": ("who_id", "author"),
        "username": ("who", "left out"), "tweet": ("text", "text"), "language": ("lang", "category"),
        "urls": ("url", "left out"), "photos": ("url", "left out"), "replies_count": ("count", "posthoc"),
        "retweets_count": ("count", "posthoc"), "likes_count": ("count", "label"), "hashtags": ("list", "tags"),
        "link": ("url", "left out"), "near": ("empty", "left out"),
    }),
    ("snscrape", "likeCount", {
        "url": ("url", "left out"), "date": ("iso", "time"), "rawContent": ("text", "text"),
        "renderedContent": ("text", "left out"), "id": ("id", "id"), "user.username": ("who", "author"),
        "user.followersCount": ("count", "author_number"), "replyCount": ("count", "posthoc"),
        "retweetCount": ("count", "posthoc"), "likeCount": ("count", "label"), "viewCount": ("count", "posthoc"),
        "conversationId": ("id", "left out"), "quotedTweet.likeCount": ("count", "left out"),
    }),
    ("CrowdTangle", "Total Interactions", {
        "Page Name": ("who", "left out"), "User Name": ("who", "author"), "Facebook Id": ("who_id", "left out"),
        "Page Category": ("kind", "category"), "Page Created": ("zone", "left out"),
        "Likes at Posting": ("count", "author_number"), "Followers at Posting": ("count", "author_number"),
        "Post Created": ("zone", "time"), "Post Created Date": ("iso", "left out"), "Type": ("kind", "category"),
        "Total Interactions": ("count", "label"), "Likes": ("count", "posthoc"), "Comments": ("count", "posthoc"),
        "Shares": ("count", "posthoc"), "Love": ("count", "posthoc"), "Angry": ("count", "posthoc"),
        "Post Views": ("count", "posthoc"), "Total Views For All Crossposts": ("count", "posthoc"),
        "Video Length": ("clock", "left out"), "URL": ("url", "id"), "Message": ("text", "text"),
        "Link Text": ("other_text", "text"), "Sponsor Id": ("who_id", "left out"),
        "Overperforming Score": ("rate", "posthoc"),
    }),
    ("Meta Content Library", "statistics.views", {
        "id": ("id", "id"), "creation_time": ("iso", "time"), "modified_time": ("iso", "left out"),
        "text": ("text", "text"), "post_owner.id": ("who_id", "author"), "post_owner.name": ("who", "left out"),
        "statistics.views": ("count", "label"), "statistics.like_count": ("count", "posthoc"),
        "statistics.share_count": ("count", "posthoc"), "statistics.love_count": ("count", "posthoc"),
        "mcl_url": ("url", "left out"), "content_type": ("kind", "category"), "hashtags": ("list", "tags"),
    }),
    ("Instagram, scraped", None, {
        "shortCode": ("hash", "id"), "caption": ("text", "text"), "ownerUsername": ("who", "author"),
        "timestamp": ("iso", "time"), "likesCount": ("count", "label"), "type": ("kind", "category"),
        "displayUrl": ("url", "left out"), "hashtags": ("list", "tags"), "ownerFullName": ("who", "left out"),
    }),
    ("Meta Business Suite, German", "Reichweite", {
        "Beitrags-ID": ("id", "id"), "Konto-ID": ("who_id", "author"), "Nutzername des Kontos": ("who", "left out"),
        "Beschreibung": ("text", "text"), "Dauer (Sek.)": ("seconds", "number"),
        "Zeitpunkt der Veröffentlichung": ("german", "time"), "Permalink": ("url", "left out"),
        "Beitragsart": ("kind", "category"), "Datenkommentar": ("empty", "left out"), "Reichweite": ("shown", "label"),
        "„Gefällt mir“-Angaben": ("shown", "posthoc"), "Geteilte Inhalte": ("count", "posthoc"),
        "Kommentare": ("count", "posthoc"), "Neue Follower": ("count", "posthoc"),
        "Speichervorgänge": ("count", "posthoc"),
    }),
    ("TikTok, research API", "view_count", {
        "id": ("id", "id"), "username": ("who", "author"), "create_time": ("epoch", "time"),
        "video_description": ("text", "text"), "region_code": ("lang", "category"), "music_id": ("id", "left out"),
        "hashtag_names": ("list", "tags"), "video_duration": ("seconds", "number"), "view_count": ("count", "label"),
        "like_count": ("count", "posthoc"), "share_count": ("count", "posthoc"), "comment_count": ("count", "posthoc"),
        "effect_ids": ("list", "left out"),
    }),
    ("TikTok, pyktok", "video_playcount", {
        "video_id": ("id", "id"), "video_timestamp": ("iso", "time"), "video_duration": ("seconds", "number"),
        "video_diggcount": ("count", "posthoc"), "video_playcount": ("count", "label"),
        "video_description": ("text", "text"), "author_username": ("who", "author"),
        "author_followercount": ("count", "author_number"), "author_heartcount": ("count", "left out"),
        "author_verified": ("bool", "author_number"), "poster_url": ("url", "left out"),
    }),
    ("TikTok, scraped", "playCount", {
        "id": ("id", "id"), "desc": ("text", "text"), "createTime": ("epoch", "time"),
        "createTimeISO": ("iso_of_epoch", "left out"), "authorMeta.name": ("who", "author"),
        "authorMeta.fans": ("count", "author_number"), "authorMeta.heart": ("count", "left out"),
        "diggCount": ("count", "posthoc"), "shareCount": ("count", "posthoc"), "playCount": ("count", "label"),
        "collectCount": ("count", "posthoc"), "videoMeta.duration": ("seconds", "number"),
        "webVideoUrl": ("url", "left out"),
    }),
    ("YouTube, trending", "views", {
        "video_id": ("hash", "id"), "trending_date": ("iso", "left out"), "title": ("text", "text"),
        "channel_title": ("who", "author"), "category_id": ("kind", "category"), "publish_time": ("iso", "time"),
        "tags": ("list", "tags"), "views": ("count", "label"), "likes": ("count", "posthoc"),
        "dislikes": ("count", "posthoc"), "comment_count": ("count", "posthoc"), "thumbnail_link": ("url", "left out"),
        "comments_disabled": ("bool", "left out"), "ratings_disabled": ("bool", "left out"),
        "video_error_or_removed": ("bool", "left out"), "description": ("other_text", "text"),
    }),
    ("YouTube, API", "statistics.viewCount", {
        "id": ("hash", "id"), "etag": ("hash", "left out"), "snippet.publishedAt": ("iso", "time"),
        "snippet.channelId": ("who_id", "author"), "snippet.channelTitle": ("who", "left out"),
        "snippet.title": ("text", "text"), "snippet.description": ("other_text", "text"),
        "snippet.tags": ("list", "tags"), "snippet.categoryId": ("kind", "category"),
        "statistics.viewCount": ("count", "label"), "statistics.likeCount": ("count", "posthoc"),
        "subscriberCount": ("count", "author_number"),
    }),
    ("Reddit", "score", {
        "id": ("hash", "id"), "title": ("text", "text"), "selftext": ("other_text", "text"),
        "author": ("who", "author"),
        "subreddit": ("kind", "category"), "created_utc": ("epoch", "time"), "score": ("count", "label"),
        "ups": ("count", "posthoc"), "upvote_ratio": ("rate", "posthoc"), "num_comments": ("count", "posthoc"),
        "over_18": ("bool", "number"), "is_self": ("bool", "number"), "permalink": ("url", "left out"),
        "retrieved_on": ("epoch", "left out"), "subreddit_subscribers": ("count", "number"),
        "subreddit_id": ("who_id", "left out"), "link_flair_text": ("kind", "category"),
    }),
    ("Mastodon", "favourites_count", {
        "id": ("id", "id"), "uri": ("url", "left out"), "created_at": ("iso", "time"), "content": ("text", "text"),
        "account.acct": ("who", "left out"), "account.id": ("who_id", "author"),
        "account.followers_count": ("count", "author_number"), "account.created_at": ("iso", "left out"),
        "account.note": ("other_text", "left out"), "reblogs_count": ("count", "posthoc"),
        "replies_count": ("count", "posthoc"), "favourites_count": ("count", "label"),
        "visibility": ("kind", "category"), "edited_at": ("empty", "left out"), "tags": ("list", "tags"),
    }),
    ("Bluesky", "likeCount", {
        "uri": ("uri", "id"), "cid": ("hash", "left out"), "author.did": ("who_id", "author"),
        "author.handle": ("who", "left out"), "record.text": ("text", "text"), "record.createdAt": ("iso", "time"),
        "indexedAt": ("iso", "left out"), "replyCount": ("count", "posthoc"), "repostCount": ("count", "posthoc"),
        "likeCount": ("count", "label"), "quoteCount": ("count", "posthoc"),
    }),
    ("Weibo, crawler", "点赞数", {
        "id": ("id", "id"), "bid": ("hash", "left out"), "user_id": ("who_id", "author"),
        "用户昵称": ("who", "left out"), "微博正文": ("zh", "text"), "头条文章url": ("empty", "left out"),
        "话题": ("list", "tags"), "转发数": ("count", "posthoc"), "评论数": ("count", "posthoc"),
        "点赞数": ("count", "label"), "发布时间": ("iso", "time"), "发布工具": ("kind", "category"),
        "微博图片url": ("url", "left out"), "粉丝数": ("count", "author_number"),
    }),
    ("Weibo, API", "attitudes_count", {
        "mid": ("id", "id"), "text": ("zh", "text"), "created_at": ("twitter", "time"), "user.id": ("who_id", "author"),
        "user.followers_count": ("count", "author_number"), "attitudes_count": ("count", "label"),
        "reposts_count": ("count", "posthoc"), "comments_count": ("count", "posthoc"), "pic_num": ("seconds", "number"),
    }),
    ("French", None, {
        "Identifiant": ("id", "id"), "Auteur": ("who", "author"), "Publié le": ("german", "time"),
        "Légende": ("text", "text"), "Catégorie": ("kind", "category"), "Abonnés": ("count", "author_number"),
        "J’aime": ("count", "label"), "Lien": ("url", "left out"), "Remarque": ("other_text", "left out"),
    }),
    ("Spanish", "Me gusta", {
        "Usuario": ("who", "author"), "Fecha de publicación": ("iso", "time"), "Texto": ("text", "text"),
        "Etiquetas": ("list", "tags"), "Seguidores": ("count", "author_number"), "Me gusta": ("count", "label"),
        "Comentarios": ("count", "posthoc"), "Compartidos": ("count", "posthoc"), "Enlace": ("url", "id"),
    }),
    ("Portuguese", "Curtidas", {
        "Usuário": ("who", "author"), "Data de publicação": ("iso", "time"), "Legenda": ("text", "text"),
        "Seguidores": ("count", "author_number"), "Curtidas": ("count", "label"),
        "Compartilhamentos": ("count", "posthoc"), "Visualizações": ("count", "posthoc"),
    }),
    ("Japanese", "いいね数", {
        "投稿ID": ("id", "id"), "投稿者": ("who", "author"), "投稿日時": ("iso", "time"), "本文": ("zh", "text"),
        "ハッシュタグ": ("list", "tags"), "フォロワー数": ("count", "author_number"), "いいね数": ("count", "label"),
        "リポスト数": ("count", "posthoc"), "再生回数": ("count", "posthoc"), "取得日時": ("iso", "left out"),
        "備考": ("kind", "left out"),
    }),
]  # fmt: skip


def frame(header: dict[str, tuple[str, str]]) -> pl.DataFrame:
    columns = {name: [KINDS[kind](i) for i in range(N)] for name, (kind, _) in header.items()}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


@pytest.mark.parametrize(("label", "header"), [one[1:] for one in HEADERS], ids=[one[0] for one in HEADERS])
def test_every_column_of_a_known_export_gets_its_role(label, header):
    found = guess(rows_of_frame(frame(header)), {"label": label})
    assert {one.column: one.role for one in found.columns} == {name: role for name, (_, role) in header.items()}


@pytest.mark.parametrize(("label", "header"), [one[1:] for one in HEADERS], ids=[one[0] for one in HEADERS])
def test_no_outcome_is_an_input_whatever_the_label_is(label, header):
    outcomes = [name for name, (_, role) in header.items() if role in ("label", "posthoc")]
    for chosen in outcomes:
        found = guess(rows_of_frame(frame(header)), {"label": chosen})
        assert found.of("label") == [chosen]
        assert set(found.of("posthoc")) == set(outcomes) - {chosen}


def test_a_layout_holds_what_was_found():
    label, header = next(one[1:] for one in HEADERS if one[0] == "CrowdTangle")
    columns = guess(rows_of_frame(frame(header)), {"label": label}).layout("posts.csv").columns
    assert (columns.author, columns.time, columns.label) == ("User Name", "Post Created", "Total Interactions")
    assert columns.text == ["Message", "Link Text"]
    assert (columns.category, columns.subcategory) == ("Page Category", "Type")
    assert columns.author_numbers == ["Likes at Posting", "Followers at Posting"]
    assert "Overperforming Score" in columns.posthoc
