"""Where we stand and where we go: indicators, periods, league tables, control charts, actions."""
