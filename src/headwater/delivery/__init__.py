"""The read half: whoever reads a run's log, over whatever connection. Knows nothing of how runs are made.

cursor          where a reader stands, and what is wrong with where it says it stands (pure)
view            records → the bytes of one kind of reader (pure)
subscription    one reader: a cursor and a loop (pure)
feed            one run with readers: wakes them, and encodes each page once for all of them
hub             all feeds: join, leave, heartbeats, drain
response        a subscription as an HTTP answer
"""
