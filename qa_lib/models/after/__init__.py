"""What follows a fit: standardised values, residuals, modification indices, bootstrap, differences."""
