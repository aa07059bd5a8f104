"""Processor time of turning a log of 10⁶ events into tickets, and of reading it from a CSV file; growth from 10⁵."""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from ticket_logs import SPEC, log_of, made_tickets

from qa_lib.study.ticket_log import TicketLog, read_ticket_log, tickets_of


def seconds(task, *arguments) -> float:
    start = time.process_time()
    task(*arguments)
    return time.process_time() - start


def main() -> None:
    spec = TicketLog(**SPEC)
    for n in (21_300, 213_000):
        log = log_of(made_tickets(n)).sample(frac=1, random_state=1)
        taken = seconds(tickets_of, log, spec)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log.csv"
            log.to_csv(path, index=False)
            whole = seconds(read_ticket_log, [path], spec)
        print(f"{len(log):>9,} events: {taken:5.2f} s, {whole:5.2f} s with the file read")


if __name__ == "__main__":
    main()
