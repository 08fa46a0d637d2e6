"""What is sold and agreed: deals in their pipelines, contracts, service cases, and what channels cost."""
