python_program faststream faststream/requirements.txt faststream/program.py
