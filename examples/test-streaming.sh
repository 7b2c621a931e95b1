#!/usr/bin/env bash
# Asks the chat in each of its three ways, as a user of an organisation, and goes on with the same chat each time.
#
#     examples/test-streaming.sh ORG USER [MESSAGE]
#
# HEADWATER_URL is where the server is; http://127.0.0.1:8000 if it is not set.
set -euo pipefail

if (($# < 2)); then
  sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 64
fi
org=$1 user=$2 message=${3:-Hello}
url=${HEADWATER_URL:-http://127.0.0.1:8000}
ask=(curl --silent --show-error --no-buffer --max-time 120 -H "x-org-id: $org" -H "x-user-id: $user")
head=$(mktemp)
trap 'rm -f "$head"' EXIT

# A text as a JSON string, without any other program.
quoted() {
  local text=$1
  text=${text//\\/\\\\} text=${text//\"/\\\"} text=${text//$'\n'/\\n} text=${text//$'\t'/\\t}
  printf '"%s"' "$text"
}

# The head goes to a file, the body to the terminal as it comes; a refusal's body has been shown when this ends.
shown() {
  "${ask[@]}" --dump-header "$head" "$@" | tee /dev/stderr
  grep -Eq '^HTTP/[0-9.]+ 200' "$head" || { echo "refused: $(head -n 1 "$head")" >&2; return 1; }
}

whole_stream() {
  grep '"done":true,"fullText"' >/dev/null || { echo 'the stream ended without its end' >&2; return 1; }
}

echo "--- POST /chat/stream" >&2
shown -H 'content-type: application/json' -d "{\"message\":$(quoted "$message")}" "$url/chat/stream" | whole_stream
chat=$(grep -i '^x-chat-id:' "$head" | tr -d '\r' | cut -d ' ' -f 2)

echo "--- GET /chat/stream, as an EventSource does" >&2
shown --get --data-urlencode "message=$message" --data-urlencode "orgId=$org" --data-urlencode "userId=$user" \
  --data-urlencode "chatId=$chat" "$url/chat/stream" | whole_stream

echo "--- POST /chat" >&2
shown -H 'content-type: application/json' -d "{\"message\":$(quoted "$message"),\"chat_id\":\"$chat\"}" "$url/chat" |
  grep '"reply"' >/dev/null || { echo 'there was no reply' >&2; exit 1; }

printf '\n--- the chat %s\n' "$chat" >&2
shown "$url/chat/chats/$chat" | grep '"role":"assistant"' >/dev/null || { echo 'nothing was stored' >&2; exit 1; }
printf '\nok: %s\n' "$chat"
