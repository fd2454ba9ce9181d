"""Networks of others and what they make of images; no clustering, and nothing learns here."""
