"""Mailing-list threads: bytes -> messages -> facts, patches and a draft scenario.  Pure."""
