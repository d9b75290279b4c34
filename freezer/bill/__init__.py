"""The bill of materials: whose the files of an application are, as documents that scanners and auditors read."""
