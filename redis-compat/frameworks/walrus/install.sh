python_program walrus walrus/requirements.txt walrus/program.py
