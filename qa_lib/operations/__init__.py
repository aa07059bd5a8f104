"""What the service did: KPIs, scorecards, monitoring, calibration."""
