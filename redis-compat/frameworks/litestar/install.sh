python_program litestar litestar/requirements.txt litestar/program.py
