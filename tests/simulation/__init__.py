"""Whole servers, their disk, their models, their clients and their bad luck, in virtual time and from one seed."""
