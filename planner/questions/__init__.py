"""Questions and answers: what is asked, files of strategies and answers."""
