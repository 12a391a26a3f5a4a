"""The supply chain of models, without a database: artifacts, attestations, certificates, encryption."""
