"""Real nginx and real Caddy between clients and the product."""
