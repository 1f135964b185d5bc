python_program taskiq taskiq/requirements.txt taskiq/program.py
