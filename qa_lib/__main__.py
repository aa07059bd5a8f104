from qa_lib.cli import main

main()
