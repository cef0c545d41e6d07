"""Runs programs as discrete events: tasks on streams, at rates that change with what runs beside them."""
