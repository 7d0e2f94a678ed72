"""What a model may know of a client as of a date, declared once and served offline and online by Feast."""
