"""The web console: pages for people, rendered by the server, which do what they do through the API."""
