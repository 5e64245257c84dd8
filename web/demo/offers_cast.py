"""What the demo house offers: five workshops as labs really give them, and the training for the printers."""

from __future__ import annotations

from fablab.claims.workshops.offer import Piece, Price, Said, Station, Want
from fablab.claims.workshops.words import Level, Payer, Theme, Unit, WorkshopKind
from fablab.people.models import Audience
from fablab.places.models import ResourceKind, Technology

#: What is lent for a session, and carried into the room; what is in it.
KITS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Malle électronique A", ("soudure", "multimetre")),
    ("Malle électronique B", ("soudure", "multimetre")),
    ("Malle de 12 tablettes", ("tablettes",)),
)

_VAT = 2000


def _class_prices(session_cents: int, pupil_cents: int) -> tuple[Price, ...]:
    """A school pays the session and what each pupil uses up; the town and the pass Culture pay by their own rules."""
    school = Audience.SCHOOL
    return (
        Price(audience=school, payer=Payer.SCHOOL, unit=Unit.SESSION, price_cents=session_cents),
        Price(audience=school, payer=Payer.SCHOOL, unit=Unit.PERSON, price_cents=pupil_cents),
        Price(audience=school, payer=Payer.CITY, unit=Unit.SESSION, price_cents=session_cents),
        Price(audience=school, payer=Payer.PASS_CULTURE, unit=Unit.PERSON, price_cents=pupil_cents + 750),
        Price(
            audience=Audience.ASSOCIATION,
            payer=Payer.SCHOOL,
            unit=Unit.SESSION,
            price_cents=session_cents + 6000,
            vat_rate_bp=_VAT,
        ),
    )


NAME_TAGS = Said(
    slug="badge-3d",
    title={"fr": "Mon badge en 3D", "en": "My name tag in 3D"},
    summary={
        "fr": "Chaque élève dessine son badge sur un ordinateur, puis le voit naître sur une imprimante 3D. "
        "On comprend comment une idée devient un objet.",
        "en": "Every pupil draws a name tag on a computer, and then watches a 3D printer make it. "
        "We see how an idea becomes a thing.",
    },
    take_home={
        "fr": "Son badge, imprimé pendant la séance.",
        "en": "The name tag, printed during the visit.",
    },
    steps=(
        {"fr": "Accueil et règles de l’atelier (10 min)", "en": "Welcome and the rules of the lab (10 min)"},
        {"fr": "Dessiner son badge : un texte, une forme", "en": "Draw a tag: a text and a shape"},
        {"fr": "Regarder travailler six imprimantes", "en": "Watch six printers at work"},
        {
            "fr": "Trier les plastiques : d’où vient le fil ?",
            "en": "Sort plastics: where does the filament come from?",
        },
        {"fr": "Chacun repart avec son badge", "en": "Everybody leaves with a name tag"},
    ),
    materials=(
        {"fr": "110 g de PLA pour 24 badges", "en": "110 g of PLA for 24 tags"},
        {"fr": "12 ordinateurs portables", "en": "12 laptops"},
        {"fr": "24 anneaux", "en": "24 rings"},
    ),
    audiences=(Audience.SCHOOL, Audience.ASSOCIATION),
    level=Level.DEBUTANT,
    theme=Theme.CREER_AVEC_LE_NUMERIQUE,
    least_people=8,
    most_people=24,
    duration_min=120,
    setup_min=30,
    clear_min=30,
    stations=(
        Station(name={"fr": "Dessiner", "en": "Drawing"}, minutes=35),
        Station(name={"fr": "Imprimer", "en": "Printing"}, minutes=35, technology=Technology.FDM),
        Station(name={"fr": "Comprendre", "en": "Understanding"}, minutes=35),
    ),
    groups=3,
    needs=(
        Want(kind=ResourceKind.MACHINE, technology=Technology.FDM, quantity=6),
        Want(kind=ResourceKind.ROOM, seats=24),
        Want(kind=ResourceKind.PERSON),
    ),
    piece=Piece(technology=Technology.FDM, minutes=12, weight_g=4.5),
    prices=_class_prices(9_000, 250),
    public=True,
)

KEYRING = Said(
    slug="porte-cles-laser",
    title={"fr": "Mon porte-clés à la découpe laser", "en": "My keyring from the laser cutter"},
    summary={
        "fr": "Un dessin vectoriel, une feuille de bois, et deux machines qui coupent avec de la lumière. "
        "Le laser travaille toujours sous les yeux du médiateur.",
        "en": "A vector drawing, a sheet of wood, and two machines that cut with light. "
        "The laser always works under the mediator’s eyes.",
    },
    take_home={"fr": "Un porte-clés en bois gravé.", "en": "An engraved wooden keyring."},
    steps=(
        {
            "fr": "Le laser : ce qu’il peut, ce qui est interdit",
            "en": "The laser: what it can do, what is forbidden",
        },
        {"fr": "Dessiner dans Inkscape : couper ou graver ?", "en": "Draw in Inkscape: cut or engrave?"},
        {"fr": "Découper par groupes de quatre", "en": "Cut in groups of four"},
        {"fr": "Poncer, huiler, monter l’anneau", "en": "Sand, oil, and put on the ring"},
    ),
    materials=(
        {"fr": "Deux feuilles de contreplaqué de peuplier 3 mm", "en": "Two sheets of 3 mm poplar plywood"},
        {"fr": "Papier de verre, huile de lin, anneaux", "en": "Sandpaper, linseed oil, rings"},
    ),
    audiences=(Audience.SCHOOL, Audience.ASSOCIATION),
    level=Level.DEBUTANT,
    theme=Theme.CREER_AVEC_LE_NUMERIQUE,
    least_people=6,
    most_people=16,
    duration_min=120,
    setup_min=30,
    clear_min=30,
    stations=(
        Station(name={"fr": "Dessiner", "en": "Drawing"}, minutes=55),
        Station(
            name={"fr": "Découper et poncer", "en": "Cutting and sanding"},
            minutes=55,
            technology=Technology.LASER,
        ),
    ),
    groups=2,
    needs=(
        Want(kind=ResourceKind.MACHINE, technology=Technology.LASER, quantity=2),
        Want(kind=ResourceKind.ROOM, seats=16),
        Want(kind=ResourceKind.PERSON),
    ),
    piece=Piece(technology=Technology.LASER, minutes=6, weight_g=6.0),
    prices=_class_prices(10_000, 300),
    public=True,
)

FIRST_STEPS = Said(
    slug="premiers-pas-numeriques",
    title={"fr": "Premiers pas numériques", "en": "First digital steps"},
    summary={
        "fr": "Pour les personnes qui n’osent pas. On prend le temps : allumer, écrire, chercher, revenir en arrière. "
        "Aucune question n’est trop simple.",
        "en": "For people who do not dare. We take our time: switch on, write, search, go back. "
        "No question is too simple.",
    },
    take_home={
        "fr": "Une fiche avec ses propres notes, et le nom de quelqu’un à appeler.",
        "en": "A sheet with one’s own notes, and the name of somebody to call.",
    },
    steps=(
        {"fr": "Un café, et où en êtes-vous ?", "en": "A coffee, and where are you?"},
        {"fr": "La tablette : les gestes", "en": "The tablet: the gestures"},
        {"fr": "Chercher, et juger ce qu’on trouve", "en": "Search, and judge what one finds"},
        {"fr": "Un message à un proche", "en": "A message to somebody close"},
    ),
    materials=(
        {"fr": "12 tablettes", "en": "12 tablets"},
        {"fr": "Fiches en gros caractères", "en": "Sheets in large print"},
    ),
    audiences=(Audience.PERSONAL, Audience.ASSOCIATION, Audience.PUBLIC_BODY),
    level=Level.DEBUTANT,
    theme=Theme.PRENDRE_EN_MAIN_DU_MATERIEL,
    least_people=3,
    most_people=12,
    duration_min=120,
    setup_min=15,
    clear_min=15,
    needs=(
        Want(kind=ResourceKind.ROOM, seats=12),
        Want(kind=ResourceKind.PERSON),
        Want(kind=ResourceKind.KIT, equipment=("tablettes",)),
    ),
    prices=(
        Price(audience=Audience.PERSONAL, payer=Payer.FREE, unit=Unit.PERSON, price_cents=0),
        Price(audience=Audience.ASSOCIATION, payer=Payer.FREE, unit=Unit.SESSION, price_cents=0),
        Price(audience=Audience.PUBLIC_BODY, payer=Payer.SCHOOL, unit=Unit.SESSION, price_cents=12_000),
    ),
    public=True,
)

ELECTRONICS = Said(
    slug="electronique-lampe",
    title={"fr": "Électronique : ma première lampe", "en": "Electronics: my first lamp"},
    summary={
        "fr": "Souder cinq composants, comprendre le courant, et repartir avec une lampe qui réagit à la nuit.",
        "en": "Solder five parts, understand the current, and go home with a lamp that answers to the night.",
    },
    take_home={
        "fr": "Une veilleuse qui s’allume le soir.",
        "en": "A night light that goes on in the evening.",
    },
    steps=(
        {"fr": "Le circuit sur plaque d’essai", "en": "The circuit on a breadboard"},
        {"fr": "Souder, sans se brûler", "en": "Solder without burning oneself"},
        {"fr": "Mesurer, chercher la panne", "en": "Measure, and find the fault"},
    ),
    materials=(
        {"fr": "12 fers à souder, lunettes, ventilation", "en": "12 soldering irons, glasses, ventilation"},
        {"fr": "Un sachet de composants par personne", "en": "A bag of parts for each person"},
    ),
    audiences=(Audience.SCHOOL, Audience.STUDENT, Audience.PERSONAL),
    level=Level.INTERMEDIAIRE,
    theme=Theme.CREER_AVEC_LE_NUMERIQUE,
    least_people=4,
    most_people=12,
    duration_min=150,
    setup_min=30,
    clear_min=30,
    stations=(
        Station(name={"fr": "Plaque d’essai", "en": "Breadboard"}, minutes=70),
        Station(name={"fr": "Fer à souder", "en": "Soldering"}, minutes=70),
    ),
    groups=2,
    needs=(
        Want(kind=ResourceKind.ROOM, seats=12),
        Want(kind=ResourceKind.PERSON),
        Want(kind=ResourceKind.KIT, equipment=("soudure",)),
    ),
    prices=(
        *_class_prices(8_000, 600)[:4],
        Price(
            audience=Audience.STUDENT, payer=Payer.PERSON, unit=Unit.PERSON, price_cents=667, vat_rate_bp=_VAT
        ),
        Price(
            audience=Audience.PERSONAL,
            payer=Payer.PERSON,
            unit=Unit.PERSON,
            price_cents=1_000,
            vat_rate_bp=_VAT,
        ),
    ),
    public=True,
)

REPAIR_CAFE = Said(
    slug="repair-cafe",
    kind=WorkshopKind.EVENT,
    title={"fr": "Repair Café", "en": "Repair café"},
    summary={
        "fr": "Apportez un objet en panne. On le répare ensemble, avec des bénévoles et les machines du lab. "
        "Sans promesse, mais deux fois sur trois cela marche.",
        "en": "Bring something that is broken. We repair it together, with volunteers and the lab’s machines. "
        "No promise, but two times out of three it works.",
    },
    take_home={"fr": "Un objet qui vit plus longtemps.", "en": "A thing that lives longer."},
    steps=(
        {"fr": "Accueil : quel objet, quelle panne ?", "en": "Welcome: which thing, which fault?"},
        {"fr": "Ouvrir, chercher, réparer à deux", "en": "Open, look, repair, two together"},
        {"fr": "Peser ce qui n’a pas été jeté", "en": "Weigh what was not thrown away"},
    ),
    materials=(
        {"fr": "Tournevis, multimètres, fers à souder", "en": "Screwdrivers, multimeters, soldering irons"},
        {"fr": "Une imprimante 3D pour les pièces cassées", "en": "A 3D printer for broken parts"},
    ),
    audiences=(Audience.PERSONAL, Audience.STUDENT, Audience.ASSOCIATION),
    level=Level.DEBUTANT,
    theme=Theme.MAINTENANCE_DE_MATERIEL,
    least_people=1,
    most_people=24,
    duration_min=180,
    setup_min=30,
    clear_min=30,
    needs=(
        Want(kind=ResourceKind.ROOM, seats=24),
        Want(kind=ResourceKind.PERSON),
        Want(kind=ResourceKind.MACHINE, technology=Technology.FDM),
    ),
    prices=(
        Price(audience=Audience.PERSONAL, payer=Payer.FREE, unit=Unit.PERSON, price_cents=0),
        Price(audience=Audience.STUDENT, payer=Payer.FREE, unit=Unit.PERSON, price_cents=0),
        Price(audience=Audience.ASSOCIATION, payer=Payer.FREE, unit=Unit.PERSON, price_cents=0),
    ),
    public=True,
)

PRINTER_TRAINING = Said(
    slug="formation-imprimante-3d",
    title={"fr": "Se former à l’imprimante 3D", "en": "Learn to use a 3D printer"},
    summary={
        "fr": "Deux heures pour savoir préparer un fichier, lancer une impression et nettoyer le plateau. "
        "À la fin, l’habilitation.",
        "en": "Two hours to learn how to prepare a file, start a print and clean the bed. "
        "At the end, the certification.",
    },
    take_home={"fr": "L’habilitation, et une pièce d’essai.", "en": "The certification, and a test piece."},
    audiences=(Audience.PERSONAL, Audience.STUDENT, Audience.PROFESSIONAL, Audience.ASSOCIATION),
    level=Level.DEBUTANT,
    theme=Theme.PRENDRE_EN_MAIN_DU_MATERIEL,
    least_people=1,
    most_people=6,
    duration_min=120,
    setup_min=15,
    clear_min=15,
    needs=(Want(kind=ResourceKind.MACHINE, technology=Technology.FDM, quantity=2),),
    grants=Technology.FDM,
    prices=(
        Price(
            audience=Audience.PERSONAL,
            payer=Payer.PERSON,
            unit=Unit.PERSON,
            price_cents=1_250,
            vat_rate_bp=_VAT,
        ),
    ),
)

CATALOGUE: tuple[Said, ...] = (NAME_TAGS, KEYRING, FIRST_STEPS, ELECTRONICS, REPAIR_CAFE, PRINTER_TRAINING)
