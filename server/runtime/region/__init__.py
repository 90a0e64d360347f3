"""One region of several: journals on a shared carrier, adjudicators, coordinators and storage (DESIGN §3, §9)."""
