"""Tools of this repository: they pack the functions and generate pages of docs/ and infra/terraform/."""
