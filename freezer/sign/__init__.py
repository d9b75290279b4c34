"""Provenance and signatures: what a result was built from, who says so, and whether that is true.

The formats are those of others: statements of in-toto with SLSA's predicate, envelopes of DSSE, and for images the
signatures of cosign. They are written here and not by a library: a statement is some JSON, and an envelope is twenty
lines. securesystemslib, which has envelopes, too, reads no OpenSSH keys, needs Python 3.10, and takes a signature only
if it names the key in the same way; tests verify envelopes with it. Keys are cryptography's, which is imported only to
sign and to verify: it is no dependency of freezer.
"""
