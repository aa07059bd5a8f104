"""What the reader sees: charts, sentences, pages, site."""
