"""The tables of identity providers, passkeys, enrolment of workloads."""
