"""Every code of the house and its English sentence; the other languages are in `locales`, by that sentence.

A sentence says what is so; `REMEDIES` say what to do about it. Placeholders are facts by name; `web.words` knows
from a fact's name how it is written (an instant, a duration, grams ...).
"""

from __future__ import annotations


def _(message: str) -> str:
    """Marks a sentence for extraction; it is translated when it is said."""
    return message


#: Errors and refusals, by code.
SENTENCES: dict[str, str] = {
    # in general
    "error": _("Something went wrong."),
    "not_found": _("There is nothing here."),
    "forbidden": _("You may not do this."),
    "unauthenticated": _("Please sign in first."),
    "too_many": _("That was too often in a short time. Please try again in %(retry_after_s)s."),
    "invalid": _("This cannot be understood."),
    "refused": _("This cannot be done as it is."),
    "conflict": _("Somebody else was faster. Please look again and retry."),
    "bad_step": _("This is no longer possible: things have moved on meanwhile."),
    "busy": _("The lab is very busy right now. Please try again in a moment."),
    "stale": _("Somebody else has just changed this. Please look again and retry."),
    "slot_taken": _("This place in the calendar has just been taken by somebody else."),
    "internal": _("Something broke on our side. Nothing you sent was lost; the staff can look it up."),
    "http.bad_request": _("This request cannot be understood."),
    "http.method_not_allowed": _("This address does not take this kind of request."),
    "http.not_acceptable": _("This cannot be given in the form that was asked for."),
    "http.too_large": _("What was sent is too large."),
    "http.unsupported_media_type": _("This address does not take this kind of content."),
    "http.fields": _("Some of what was sent cannot be understood: %(fields)s."),
    # getting in
    "access.unstated": _("Nobody has said who may come here, so nobody may."),
    "access.in_person": _("This takes a sign-in with a password; a token is not enough."),
    "access.scope": _("This token may not do this: it lacks the scope “%(scope)s”."),
    "csrf.missing": _("This form is too old. Please load the page again and repeat what you did."),
    "csrf.cross_site": _("This request comes from another site, so it was not carried out."),
    "host.unknown": _("This server does not answer to that name."),
    "login.wrong": _("E-mail, member number or password is wrong."),
    "login.expired": _("Your sign-in has run out. Please sign in again."),
    "login.too_many": _("Too many wrong tries. Please wait %(retry_after_s)s, or ask the staff."),
    "token.unknown": _("This token is not known here, or it was withdrawn."),
    "token.expired": _("This token has run out. Please make a new one."),
    "token.name": _("A token needs a name of 1 to 80 characters."),
    "token.scope": _("There is no scope “%(scope)s”. The scopes are: %(known)s."),
    "token.days": _("A token lives for 1 to %(most)s days."),
    "password.too_short": _("A password needs at least %(least)s characters."),
    "password.too_long": _("A password has at most %(most)s characters."),
    "member.name": _("A name has 1 to 120 characters."),
    "member.email": _("This is not an e-mail address."),
    "member.email_taken": _("Somebody already has this e-mail address."),
    "member.unknown": _("There is no such member."),
    # the house
    "house.missing": _(
        "This lab has no name and no hours yet. Whoever runs it founds it with the command “fablab init”."
    ),
    "house.exists": _("There is a lab in this database already: “%(house)s”. Nothing was changed."),
    "house.name": _("A lab's name has 1 to 200 characters."),
    "house.zone": _("There is no time zone “%(zone)s”. They are written like Europe/Paris."),
    "claim.unknown": _("There is nothing like that in the calendar."),
    "allocation.unknown": _("There is nothing like that in the calendar."),
    "calendar.moved": _("The calendar has changed since you looked. Nothing was done; please look again."),
    # taken in hand
    "hand.incomplete": _("Something is missing: which machine, when, or how urgent."),
    "hand.not_a_job": _("Only jobs are moved by hand."),
    "hand.no_place": _("This job has no place in the plan yet."),
    "hand.past": _("This start is already past."),
    "hand.too_early": _("Somebody has to prepare %(machine)s first: it can start at %(until)s."),
    "hand.setup_needs_person": _("Nobody is there to prepare %(machine)s: possible from %(until)s."),
    "hand.not_staffed": _("Nobody from the staff is there. It can start at %(until)s."),
    "hand.house_closed": _("The lab is closed. It can start at %(until)s."),
    "hand.unattended_too_long": _("%(machine)s would run alone for too long. It can start at %(until)s."),
    "hand.start_not_allowed": _("It may not start then; the next chance is %(until)s."),
    "hand.beyond_horizon": _("It would not be finished before the end of the plan."),
    "hand.firm": _("“%(title)s” is firm on %(machine)s until %(until)s and is not moved."),
    "hand.frozen": _(
        "“%(title)s” runs or starts soon on %(machine)s and is not moved; it is free again %(until)s."
    ),
    "hand.next_needs_setup": _(
        "“%(title)s” comes next on %(machine)s, needs another spool, and there would be no time to change it."
    ),
    "hand.others_homeless": _("“%(title)s” would find no other place before the end of the plan."),
    "hand.no_room": _("It would find no place on the machines that are left."),
    "hand.unsound": _("The plan would break a rule there. Please choose another place."),
    "hand.last_machine": _("It is the last machine that can make it."),
    "hand.not_barred": _("It was not kept off this machine by hand."),
    "span.wrong": _("The end must come after the beginning."),
    "span.too_long": _("That is too long a time at once: at most %(days)s days."),
    "time.no_zone": _("Please say the time zone too, as in 2026-05-04T14:00:00+02:00."),
    "time.wrong": _("This is no date and time. It is written like 2026-05-04T14:00:00+02:00."),
    "hours.past": _("This day is over."),
    "hours.spans": _(
        "The hours of a day may not touch or overlap, and there are at most %(most)s stretches of them."
    ),
    "hours.weekday": _("There is no such day of the week."),
    "closure.name": _("Please say why it is shut, in at most %(most)s characters."),
    "closure.too_long": _("A closure lasts at most %(days)s days."),
    "closure.unknown": _("This closure is not there any more."),
    "hours_empty": _("There are no hours here."),
    "hours_line": _("“%(text)s” needs days, then hours, as in “Tue-Sat 09:00-12:30”."),
    "hours_weekday": _("“%(text)s” is no day of the week."),
    "hours_time": _("“%(text)s” is no time of day."),
    "hours_span": _("“%(text)s” needs a beginning and an end."),
    "hours_overlap": _("These hours overlap: %(text)s."),
    # files
    "upload.broken_off": _(
        "The upload broke off before the end. Nothing was kept; please send the file again."
    ),
    "upload.no_file": _("There is no file in this upload."),
    "upload.two_files": _("One file at a time, please."),
    "upload.not_multipart": _("A file is sent as multipart/form-data, in a field called “file”."),
    "upload.malformed": _("The upload cannot be read. Nothing was kept; please send the file again."),
    "upload.field_too_long": _("The field “%(name)s” is too long."),
    "program.empty": _("This file is empty."),
    "program.binary": _("This is not a text file with machine commands."),
    "program.too_large": _("This file is larger than %(limit_bytes)s."),
    "program.line_too_long": _(
        "This file has a line of more than %(limit_bytes)s: that is no machine program."
    ),
    "program.too_long": _("This program would take longer than %(limit_days)s days."),
    "program.no_commands": _("There is no command for a machine in this file."),
    "program.no_time": _("Nothing moves in this file, so there is nothing to make."),
    "program.not_found": _("The file is no longer here. Please upload it again."),
    "program.wrong_extension": _(
        "Files that end in “%(extension)s” cannot be made here. These can: %(allowed)s."
    ),
    "program.needs_slicing": _("A “%(extension)s” file is a model, not yet a program for a machine."),
    "program.bgcode": _("Binary G-code (.bgcode) cannot be read yet."),
    "program.cancelled": _("The reading of this file was stopped."),
    # wishes
    "project.unknown": _("You have no open project of that name."),
    "priority.unknown": _("There is no priority “%(value)s”. It is -1 (can wait), 0 (normal) or 1 (urgent)."),
    "due.past": _("The date you need it for is already past: %(due)s."),
    "due.too_far": _("The date you need it for is more than %(days)s days away."),
    "material.unknown": _("The lab has no material called “%(material)s”."),
    "material.missing": _("The file does not say which material it is for."),
    "material.not_enough": _("It needs %(needed_g)s; the fullest spool has %(left_g)s left."),
    "material.other_loaded": _("Another material is loaded on this machine: %(loaded)s."),
    "colour.not_in_stock": _("This material is not in stock in “%(colour)s”."),
    "colour.other_loaded": _("“%(loaded)s” is loaded, and “%(wanted)s” is wanted."),
    "spool.unknown": _("There is no such spool."),
    "share.parts": _("A share due is a number above 0 and at most %(most)s."),
    # stock and prices
    "material.code": _("A material's code has 1 to 40 letters, digits, + and -, as in PLA or PLA-CF."),
    "material.code_taken": _("The lab has a material “%(material)s” already."),
    "material.name": _("A material's name has 1 to 120 characters."),
    "material.density": _("A density is more than 0 and at most %(most)s g/cm³."),
    "spool.label": _("A spool's label has 1 to 60 characters."),
    "spool.label_taken": _("There is a spool “%(label)s” already."),
    "spool.colour": _("A colour's name has 1 to 40 characters."),
    "spool.hex": _("A colour's code is written like #e8590c."),
    "spool.grams": _("A spool holds more than 0 and at most %(most)s grams."),
    "tariff.price": _("A price is 0 or more, and at most 100,000 euros."),
    "tariff.step": _("A tariff counts in steps of one second to one day."),
    # jobs
    "job.unknown": _("There is no such job, or it is not yours."),
    "job.needs_member": _("A job belongs to a member; please sign in as one."),
    "job.too_many_drafts": _("You have %(most)s drafts already."),
    "job.active": _("This job is being made right now."),
    "job.not_waiting": _("This job is not waiting for a machine any more."),
    # machines
    "machine.unknown": _("There is no such machine."),
    "machine.none_of_kind": _("The lab has no machine for this: %(technology)s."),
    "machine.none_eligible": _("No machine of this kind can make this file."),
    "machine.not_eligible": _("This machine cannot take this job: %(reason)s"),
    "machine.out_of_service": _("%(machine)s is out of service."),
    "machine.no_device": _("%(machine)s is not connected to this server."),
    "machine.no_link": _("This machine is not connected to this server."),
    "machine.other_model": _("The file was sliced for a %(wanted)s; this machine is a %(has)s."),
    "machine.other_nozzle": _("The file is for a nozzle of %(wanted_mm)s; the machine has %(has_mm)s."),
    "machine.busy": _("Something is running on this machine."),
    "machine.nothing_planned": _("Nothing is planned on this machine."),
    "machine.would_run_into": _("It would run into “%(title)s”, which starts %(from)s."),
    "machine.no_answer": _("The machine does not answer. What it is doing is not known; please look at it."),
    "machine.says_no": _("The machine refuses: %(said)s"),
    "machine.wrong_one": _("This is not the machine it should be: %(said)s"),
    "machine.cannot": _("This machine cannot do that: %(said)s"),
    "machine.cannot_start": _("This machine cannot be started from here: somebody starts it at the machine."),
    "machine.cannot_pause": _("This machine cannot be paused from here."),
    "machine.cannot_cancel": _("This machine cannot end a run from here: somebody ends it at the machine."),
    "machine.kind": _("This machine is of another kind than the file."),
    "machine.name": _("A machine's name has 1 to 120 characters."),
    "machine.name_taken": _("The lab has something called “%(name)s” already."),
    "machine.device": _(
        "A device's name has 1 to 40 small letters, digits, - and _, and begins with a letter or digit."
    ),
    "machine.device_taken": _("The device “%(device)s” belongs to %(machine)s already."),
    "machine.model": _("A machine's model has at most 120 characters."),
    "machine.bed": _("A machine reaches more than 0 and at most %(most)s mm along x, y and z."),
    "machine.nozzle": _("A nozzle is more than 0 and at most %(most)s mm wide."),
    "machine.heat": _("The most heat a machine allows is 0 to %(most)s °C."),
    "machine.number": _("This is no number."),
    "machine.alone": _("A machine may run alone for 0 to %(most)s hours."),
    "bed.not_confirmed": _("Somebody must confirm that the bed is clear."),
    "devices.no_port": _("Say on which port it is, or search for it."),
    "devices.no_url": _("Say at which address it is, or search for it."),
    "devices.no_key": _("It is reached with a key only. Write it here, or ask OctoPrint for one."),
    "devices.no_password": _(
        "It is reached with a password only. The printer shows it in its network settings."
    ),
    "devices.wrong": _("This cannot stand in devices.toml: %(said)s."),
    "devices.read_only": _("This server may not write %(file)s."),
    "devices.not_written": _("devices.toml could not be changed: %(said)s."),
    "devices.secret_there": _("There is a file “%(file)s” already: remove it, or choose another name."),
    "camera.none": _("This machine has no camera."),
    "camera.no_stream": _("This camera gives single pictures only."),
    "camera.down": _("The camera gives no picture right now."),
    "camera.full": _("Too many people are watching this camera. Please try again in %(retry_after_s)s."),
    "camera.not_yours": _("Only the staff may look here, and you while your own job is being made."),
    # runs
    "run.unknown": _("There is no such run."),
    "run.already_ended": _("This run is already over."),
    "run.already_started": _("This run has already started."),
    "run.not_running": _("This run is not running right now."),
    "run.too_late": _("The confirmation is too old: somebody must look at the bed again."),
    # what a file may not do on a machine
    "admission.wrong_kind": _("The file is for another kind of machine: %(program)s, not %(machine)s."),
    "admission.outside_bed": _(
        "It goes to %(axis)s = %(value_mm)s; the machine reaches %(limit_mm)s (line %(line)s)."
    ),
    "admission.too_high": _("It is %(value_mm)s high; the machine takes %(limit_mm)s (line %(line)s)."),
    "admission.too_large": _(
        "It is %(size_mm)s along %(axis)s; the machine takes %(limit_mm)s (line %(line)s)."
    ),
    "admission.nozzle_too_hot": _(
        "It heats the nozzle to %(value_c)s; this machine allows %(limit_c)s (line %(line)s)."
    ),
    "admission.bed_too_hot": _(
        "It heats the bed to %(value_c)s; this machine allows %(limit_c)s (line %(line)s)."
    ),
    "admission.chamber_too_hot": _(
        "It heats the chamber to %(value_c)s; this machine allows %(limit_c)s (line %(line)s)."
    ),
    "admission.forbidden_command": _("The command %(command)s is not allowed (line %(line)s): %(why_code)s."),
    "admission.too_many_unknown": _(
        "The file has %(count)s more unusual commands that could not be checked."
    ),
}

#: What to do about it, for the codes where there is something to do.
REMEDIES: dict[str, str] = {
    "admission.outside_bed": _(
        "Move or shrink the part in the slicer, or choose the profile of this machine."
    ),
    "admission.too_high": _("Shrink or cut the part in the slicer."),
    "admission.too_large": _("Shrink or cut the part."),
    "admission.nozzle_too_hot": _("Choose the right material and machine in the slicer, then export again."),
    "admission.bed_too_hot": _("Choose the right material and machine in the slicer, then export again."),
    "admission.chamber_too_hot": _("Choose the right material and machine in the slicer, then export again."),
    "admission.forbidden_command": _("Remove it from the start or end code of the slicer's profile."),
    "admission.wrong_kind": _("Export it again for the right machine."),
    "admission.too_many_unknown": _("Export it again with a standard profile of the slicer."),
    "bed.not_confirmed": _("Look at the bed, take everything off, then confirm."),
    "colour.not_in_stock": _("Choose another colour, or let the lab choose."),
    "colour.other_loaded": _("Change the spool and say so when you confirm."),
    "due.past": _("Choose a later date, or none."),
    "due.too_far": _("Choose an earlier date, or none."),
    "job.too_many_drafts": _("Submit or discard some of them first."),
    "machine.none_eligible": _("The reasons below say what has to change."),
    "machine.none_of_kind": _("Ask the staff what can be done."),
    "machine.other_model": _("Slice it again with the profile of that machine."),
    "machine.other_nozzle": _("Slice it again for the nozzle of the machine, or ask the staff to change it."),
    "machine.out_of_service": _("Wait until it is back, or choose another machine."),
    "machine.would_run_into": _("Start it afterwards, or on another machine."),
    "machine.busy": _("Wait until it has finished, or cancel it first."),
    "material.missing": _("Choose the material in the form."),
    "material.not_enough": _("Choose another colour, or ask the staff for a new spool."),
    "material.other_loaded": _("Change the spool and say so when you confirm."),
    "material.unknown": _("Choose a material from the list."),
    "program.bgcode": _(
        "In PrusaSlicer, switch “Binary G-code” off in the printer settings, then export again."
    ),
    "program.binary": _("Export the G-code from the slicer again."),
    "program.empty": _("Export the G-code from the slicer again."),
    "program.needs_slicing": _("Open it in a slicer such as PrusaSlicer or Cura and export the G-code."),
    "program.no_time": _("Check the file in the slicer."),
    "program.wrong_extension": _("Export the G-code from the slicer again."),
    "project.unknown": _("Choose a project from the list, or none."),
    "run.too_late": _("Look at the bed and confirm again."),
}

#: What members are told, by code.
NOTICES: dict[str, str] = {
    "job.moved": _("“%(file)s” will be ready %(ready)s instead of %(was)s."),
    "job.no_place": _(
        "There is no place for “%(file)s” in the plan any more. The staff will look at it with you."
    ),
    "job.placed": _("“%(file)s” has a place in the plan now. It will be ready %(ready)s."),
    "job.accepted": _("The staff has accepted “%(file)s”."),
    "job.rejected": _("The staff cannot make “%(file)s”: %(why)s"),
    "job.done": _("“%(file)s” is ready on %(machine)s. Come and fetch it."),
    "job.failed": _("“%(file)s” has failed on %(machine)s. Nothing is charged."),
    "job.cancelled": _("“%(file)s” was cancelled on %(machine)s."),
    "job.requeued": _("“%(file)s” was stopped on %(machine)s and will be made again. Nothing is charged."),
}

#: Short reasons used inside other sentences: why a machine is barred (`facts.reason`), why a command is.
SHORT: dict[str, str] = {
    "unknown": _("the reason is not known."),
    "machine.out_of_service": _("it is out of service."),
    "machine.other_model": _("the file was sliced for another model."),
    "machine.other_nozzle": _("it has another nozzle."),
    "machine.kind": _("it is of another kind."),
    "barred.by_staff": _("the staff keeps it off this machine."),
    "admission.wrong_kind": _("the file is for another kind of machine."),
    "admission.outside_bed": _("the part goes beyond its bed."),
    "admission.too_high": _("the part is too high for it."),
    "admission.too_large": _("the part is too large for it."),
    "admission.nozzle_too_hot": _("the nozzle would be too hot for it."),
    "admission.bed_too_hot": _("the bed would be too hot for it."),
    "admission.chamber_too_hot": _("the chamber would be too hot for it."),
    "admission.forbidden_command": _("the file has a command that it may not be given."),
    "admission.too_many_unknown": _("the file has too many unusual commands."),
    "persists": _("it changes settings that stay on the machine"),
    "unsafe": _("it takes away a protection of the machine"),
    "host": _("it speaks to the software, not to the machine"),
    "files": _("it handles files on the machine's own card"),
    "stops": _("it stops or resets the machine in mid-program"),
    "realtime": _("the machine obeys it at once, in the middle of a line"),
}

#: The words of the house's enumerations, by enumeration and value.
WORDS: dict[str, dict[str, str]] = {
    "hours_kind": {"open": _("Open"), "staffed": _("Staffed")},
    "technology": {
        "fdm": _("3D printing (FDM)"),
        "resin": _("3D printing (resin)"),
        "laser": _("Laser cutting"),
        "cnc": _("CNC milling"),
        "vinyl": _("Vinyl cutting"),
    },
    "resource_kind": {
        "machine": _("Machine"),
        "room": _("Room"),
        "desk": _("Desk"),
        "person": _("Person"),
        "kit": _("Kit"),
    },
    "role": {
        "maker": _("Maker"),
        "teacher": _("Teacher"),
        "partner": _("Partner"),
        "mediator": _("Mediator"),
        "staff": _("Staff"),
        "admin": _("Administrator"),
    },
    "audience": {
        "school": _("School"),
        "student": _("Student"),
        "professional": _("Professional"),
        "personal": _("Personal"),
        "association": _("Association"),
        "public_body": _("Public body"),
    },
    "estimate_source": {
        "slicer": _("the slicer"),
        "motion": _("our reading"),
        "given": _("a person"),
    },
    "priority_says": {
        "-1": _("It was said that it can wait."),
        "0": _("Its priority is the usual one."),
        "1": _("The staff made it urgent."),
    },
    "project_kind": {
        "educational": _("Educational project"),
        "professional": _("Professional project"),
        "personal": _("Personal project"),
    },
    "certification_level": {
        "user": _("User"),
        "trainer": _("Trainer"),
        "maintenance": _("Maintenance"),
    },
    "job_state": {
        "draft": _("Draft"),
        "review": _("With the staff"),
        "queued": _("Queued"),
        "planned": _("Planned"),
        "active": _("Being made"),
        "done": _("Done"),
        "failed": _("Failed"),
        "rejected": _("Rejected"),
        "cancelled": _("Cancelled"),
    },
    "run_state": {
        "preparing": _("Preparing"),
        "starting": _("Starting"),
        "running": _("Running"),
        "paused": _("Paused"),
        "succeeded": _("Succeeded"),
        "failed": _("Failed"),
        "cancelled": _("Cancelled"),
        "interrupted": _("Interrupted"),
    },
    "claim_state": {
        "open": _("Waiting for a place"),
        "offered": _("Offered"),
        "held": _("Planned"),
        "closed": _("Over"),
    },
    "claim_kind": {
        "job": _("Job"),
        "reservation": _("Reservation"),
        "session": _("Workshop"),
        "outage": _("Out of service"),
    },
    "allocation_state": {"tentative": _("Tentative"), "firm": _("Firm")},
    "machine_gate": {
        "clear": _("Bed clear"),
        "awaiting_clear": _("Waiting for clearing"),
        "out_of_service": _("Out of service"),
    },
    "device_state": {
        "offline": _("Offline"),
        "idle": _("Free"),
        "running": _("Running"),
        "paused": _("Paused"),
        "fault": _("Fault"),
    },
    "link_state": {
        "closed": _("Not connected"),
        "connecting": _("Connecting"),
        "online": _("Connected"),
        "waiting": _("Connection lost, trying again"),
        "blocked": _("Somebody must look at the connection"),
    },
    "safety": {
        "confirmed": _("Heaters and beam are off: confirmed by the machine."),
        "not_confirmed": _("Stop was sent, but the machine has not confirmed it. Use its red button."),
    },
    # What stands between the lab and a machine (drivers.scan.Trouble), and what a person does about it.
    "trouble": {
        "none": _("It answers."),
        "port_absent": _("Its port is not there."),
        "port_forbidden": _("This server may not open its port."),
        "port_held": _("Its port is in use already."),
        "silent": _("Nothing answers."),
        "wrong_firmware": _("Another firmware answers than the one that was chosen."),
        "wrong_number": _("Another machine answers: the serial number is not the right one."),
        "unknown_host": _("There is no computer of that name on the network."),
        "refused": _("No server answers at this address."),
        "tls": _("A secure connection cannot be made."),
        "wrong_key": _("The key or the password is not accepted."),
        "wrong_path": _("This address leads elsewhere."),
        "wrong_server": _("Something answers there, but not what was chosen."),
        "mock": _("The pretended machine did not start."),
        "printer_off": _("Its server answers, the printer does not."),
        "fault": _("It answers, and reports a fault of its own."),
        "settings": _("Its settings were changed while it was connected."),
        "other": _("The connection does not work."),
    },
    "todo": {
        "port_absent": _("Is the machine switched on, and its cable in?"),
        "port_forbidden": _(
            "Add the account of the server to the group that owns the port (often “dialout”), then start it anew."
        ),
        "port_held": _("End the other program, or choose another port: a machine has one owner."),
        "silent": _(
            "Is the machine switched on? If it is, look at its cable or its network, and at the speed of a serial port."
        ),
        "wrong_firmware": _("Choose the other kind of machine, or the right port."),
        "wrong_number": _("Are two cables swapped? If it is the right machine, correct its serial number."),
        "unknown_host": _("Check the name, or write the address in figures."),
        "refused": _("Is that computer switched on and on the network? Check the address."),
        "tls": _("Check whether the address begins with http or with https."),
        "wrong_key": _("Make a new one, write it where devices.toml says, then try again."),
        "wrong_path": _("Correct the address."),
        "wrong_server": _("Choose the right kind of machine, or correct the address."),
        "mock": _("The log in the data folder says why."),
        "printer_off": _("Switch the printer on, or connect it in its server."),
        "fault": _("Look at the machine."),
        "settings": _("Try again: the new ones are taken."),
        "other": _("Look at the machine and at its cable, then try again."),
    },
    "capability": {
        "start": _("start"),
        "pause": _("pause"),
        "cancel": _("cancel"),
        "detached": _("go on without the server"),
        "safe_stop": _("confirm a stop"),
        "camera": _("show itself by camera"),
    },
    "key_state": {
        "waiting": _("Say yes in OctoPrint: it asks there whether “fablab” may have a key."),
        "granted": _("The key is here."),
        "denied": _("Somebody in OctoPrint has said no."),
        "expired": _("Nobody has answered in OctoPrint. Ask again."),
        "unsupported": _(
            "This OctoPrint hands out no keys: make one in its settings, under Application Keys."
        ),
        "failed": _("OctoPrint cannot be asked."),
    },
    "stop": {
        "heaters": _("Stop confirmed: the heaters are off."),
        "beam": _("Stop confirmed: the beam is off."),
        "spindle": _("Stop confirmed: the spindle is off."),
        "all": _("Stop confirmed: everything is off."),
        "not_confirmed": _("Stop NOT confirmed: cut the power."),
    },
    "priority": {"-1": _("Can wait"), "0": _("Normal"), "1": _("Urgent")},
    "charge_line": {
        "machine_time": _("Machine time"),
        "reserved_time": _("Machine time, paid with the reservation"),
        "material": _("Material"),
        "stay_hour": _("By the hour"),
        "stay_half_day": _("By the half-day"),
        "stay_day": _("By the day"),
        "stay_pass": _("Paid by a pass"),
    },
    "run_detail": {
        "too_late": _("Nobody started it in time."),
        "stopped": _("The machine was stopped before it began."),
        "bed_unsure": _("The machine made something else meanwhile. Look at the bed again, then start it."),
        "program_gone": _("Its file cannot be read any more. Send it again."),
        "would_run_into": _("It would have run into a reservation: it was too late to start it."),
        "not_allowed": _("It was not started: since it was confirmed, a rule has come to stand against it."),
        "no_link": _("This server has no connection to the machine any more."),
        # What drivers and hosts write down themselves; whatever else a machine says stays as it said it.
        "stopped: the machine was made safe": _("Stopped: the machine was made safe."),
        "the firmware restarted in the middle of the program": _(
            "The machine's electronics restarted in the middle of the program."
        ),
        "the host was told to end": _("The program that guards this machine was told to end."),
        "the machine no longer knows of it": _("The machine no longer knows of it."),
        "the print failed": _("The print failed."),
        "interrupted: the driver ended its watch": _("The connection to the machine was lost."),
        "interrupted: the driver failed": _("The connection to the machine was lost."),
        "interrupted: the driver itself failed": _("The connection to the machine was lost."),
        "interrupted: the port is gone": _("The machine was switched off or unplugged."),
        "interrupted: the port was closed at its other end": _("The machine was switched off or unplugged."),
        "the host died; heaters off by the guardian: targets read back as 0": _(
            "The program that drove this machine died. The heaters were switched off; the machine confirmed it."
        ),
        "the host died; heaters off by the guardian: the port was closed at its other end": _(
            "The program that drove this machine died, and the machine was gone: nobody confirmed that it is cold."
        ),
        "the host died; heaters off by the guardian: targets still set: no report came": _(
            "The program that drove this machine died, and the machine did not answer: "
            "nobody confirmed that it is cold."
        ),
        "the host died; beam off by the guardian: beam read back as off": _(
            "The program that drove this machine died. The beam was switched off; the machine confirmed it."
        ),
        "the host died; beam off by the guardian: the beam is still on": _(
            "The program that drove this machine died, and the beam is STILL ON: cut the power."
        ),
        "the host died; beam off by the guardian: the machine did not say that its beam is off": _(
            "The program that drove this machine died: nobody confirmed that the beam is off."
        ),
        "the host died; beam off by the guardian: the port was closed at its other end": _(
            "The program that drove this machine died, and the machine was gone: "
            "nobody confirmed that the beam is off."
        ),
    },
    "why": {"outage": _("Out of service"), "other": _("Taken")},
}

#: Short headings of a refusal by its kind, for problem+json and the error page.
TITLES: dict[str, str] = {
    "not_found": _("Not found"),
    "forbidden": _("Not allowed"),
    "unauthenticated": _("Sign in first"),
    "too_many": _("Too many tries"),
    "invalid": _("This cannot be understood"),
    "refused": _("This cannot be done as it is"),
    "conflict": _("Something has changed meanwhile"),
    "machine": _("The machine does not do it"),
    "camera": _("No picture"),
    "not_set_up": _("Not set up yet"),
    "internal": _("Something broke on our side"),
}
