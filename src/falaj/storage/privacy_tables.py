"""The tables of subjects, requests, transfer bases and incidents."""
