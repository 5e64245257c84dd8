"""Who and what the demo lab has: literal tables, all of it invented."""

from __future__ import annotations

from datetime import time

from fablab.people.models import Audience, Role
from fablab.places.models import Technology

HOUSE_NAME = "Le Chevalement (démo)"
ZONE = "Europe/Paris"
PASSWORD = "fablab-demo"  # noqa: S105 - the demo's own, printed at every start

#: (agent, address, days ago): where each of them has been left signed in.
SIGN_INS: tuple[tuple[str, str, int], ...] = (
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "192.168.1.64", 1),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "192.168.1.20", 3),
)

#: (e-mail, name, role, audience): those who can sign in.
LOGINS: tuple[tuple[str, str, Role, Audience], ...] = (
    ("maker@demo.example", "Lina Morel", Role.MAKER, Audience.PERSONAL),
    ("staff@demo.example", "Samuel Dubreuil", Role.MEDIATOR, Audience.PERSONAL),
    ("admin@demo.example", "Nadia Ferrand", Role.ADMIN, Audience.PERSONAL),
    ("teacher@demo.example", "Hélène Carpentier", Role.TEACHER, Audience.SCHOOL),
    ("partner@demo.example", "Ville partenaire", Role.PARTNER, Audience.PUBLIC_BODY),
)

FIRST_NAMES = [
    "Adèle",
    "Amir",
    "Anaïs",
    "Baptiste",
    "Camille",
    "Clément",
    "Inès",
    "Élodie",
    "Farid",
    "Gaspard",
    "Hugo",
    "Jade",
    "Jérôme",
    "Karim",
    "Léa",
    "Louis",
    "Lucie",
    "Maël",
    "Manon",
    "Margot",
    "Mathis",
    "Mehdi",
    "Nora",
    "Océane",
    "Paul",
    "Quentin",
    "Rachid",
    "Romane",
    "Salomé",
    "Théo",
    "Valentin",
    "Yasmine",
    "Zoé",
]
LAST_NAMES = [
    "Aubry",
    "Bacquet",
    "Blondel",
    "Boulanger",
    "Caron",
    "Delattre",
    "Delvaux",
    "Descamps",
    "Duhamel",
    "Dupuis",
    "Fontaine",
    "Gosselin",
    "Hennebelle",
    "Joly",
    "Lambert",
    "Leclercq",
    "Lefebvre",
    "Leroux",
    "Maillard",
    "Mercier",
    "Normand",
    "Obin",
    "Petitjean",
    "Quenton",
    "Roussel",
    "Sénéchal",
    "Thibaut",
    "Vasseur",
    "Wattel",
]
MEMBER_COUNT = 420
AUDIENCE_SHARES: tuple[tuple[Audience, int], ...] = (
    (Audience.PERSONAL, 55),
    (Audience.STUDENT, 15),
    (Audience.PROFESSIONAL, 14),
    (Audience.SCHOOL, 8),
    (Audience.ASSOCIATION, 6),
    (Audience.PUBLIC_BODY, 2),
)

#: (name, model, technology, device, x, y, z mm, nozzle mm, nozzle °C, bed °C, unattended hours)
MACHINES: tuple[
    tuple[str, str, Technology, str, float, float, float, float | None, float, float, int], ...
] = (
    ("Ada", "Prusa MK3S+", Technology.FDM, "ada", 250, 210, 210, 0.4, 300, 120, 14),
    ("Blaise", "Prusa MK3S+", Technology.FDM, "blaise", 250, 210, 210, 0.4, 300, 120, 14),
    ("Colette", "Prusa MK3S+", Technology.FDM, "colette", 250, 210, 210, 0.4, 300, 120, 14),
    ("Denis", "Prusa MK3S+", Technology.FDM, "denis", 250, 210, 210, 0.4, 300, 120, 0),
    ("Emmy", "Creality Ender-3", Technology.FDM, "emmy", 220, 220, 250, 0.4, 255, 100, 0),
    ("Fermat", "Creality Ender-3", Technology.FDM, "fermat", 220, 220, 250, 0.4, 255, 100, 0),
    ("Germain", "Creality Ender-3", Technology.FDM, "germain", 220, 220, 250, 0.6, 255, 100, 0),
    ("Hedy", "Prusa MK3S+", Technology.FDM, "hedy", 250, 210, 210, 0.4, 300, 120, 14),
    ("Irène", "Elegoo Saturn 3", Technology.RESIN, "irene", 218, 123, 250, None, 0, 0, 0),
    ("Joule", "Trotec Speedy 100", Technology.LASER, "joule", 610, 305, 170, None, 0, 0, 0),
    ("Kelvin", "xTool S1", Technology.LASER, "kelvin", 498, 319, 150, None, 0, 0, 0),
    ("Lavoisier", "Shapeoko 4", Technology.CNC, "lavoisier", 838, 838, 95, None, 0, 0, 0),
    ("Méliès", "Roland GS-24", Technology.VINYL, "melies", 584, 1000, 5, None, 0, 0, 0),
)
ROOMS: tuple[tuple[str, int], ...] = (("Salle Terril", 24), ("Salle Lampisterie", 12), ("Auditorium", 90))
DESK_COUNT = 12
MEDIATORS = ("Samuel (médiateur)", "Aïcha (médiatrice)", "Joris (médiateur)")

#: (code, name, technology, density, price of a kilogram in cents)
MATERIALS: tuple[tuple[str, str, Technology, float, int], ...] = (
    ("PLA", "PLA", Technology.FDM, 1.24, 4000),
    ("PETG", "PETG", Technology.FDM, 1.27, 4500),
    ("TPU", "TPU", Technology.FDM, 1.21, 6500),
    ("PLYWOOD", "Contreplaqué peuplier 3 mm", Technology.LASER, 0.55, 900),
    ("RESIN", "Résine standard", Technology.RESIN, 1.1, 6000),
)

#: (material, label, colour, hex, grams left, machine it is on)
SPOOLS: tuple[tuple[str, str, str, str, float, str | None], ...] = (
    ("PLA", "PLA-01", "orange", "#e8590c", 742.0, "Ada"),
    ("PETG", "PETG-01", "orange", "#e8590c", 655.0, "Blaise"),
    ("PLA", "PLA-02", "blanc", "#f1f3f5", 388.0, "Colette"),
    ("PLA", "PLA-03", "bleu", "#1c7ed6", 910.0, "Denis"),
    ("PLA", "PLA-04", "vert", "#2f9e44", 521.0, "Emmy"),
    ("PLA", "PLA-05", "noir", "#212529", 264.0, "Fermat"),
    ("PETG", "PETG-02", "noir", "#212529", 818.0, "Germain"),
    ("PETG", "PETG-03", "transparent", "#dee2e6", 430.0, "Hedy"),
    ("PLA", "PLA-06", "jaune", "#fab005", 1000.0, None),
    ("TPU", "TPU-01", "rouge", "#e03131", 300.0, None),
)

#: Cents for an hour, by technology and audience; one euro for an hour of printing is the lab's own grid.
HOUR_CENTS: dict[Technology, dict[Audience, int]] = {
    technology: {
        Audience.PERSONAL: base,
        Audience.STUDENT: base // 2,
        Audience.SCHOOL: base // 2,
        Audience.ASSOCIATION: base,
        Audience.PROFESSIONAL: base * 3,
        Audience.PUBLIC_BODY: base * 2,
    }
    for technology, base in (
        (Technology.FDM, 100),
        (Technology.RESIN, 200),
        (Technology.LASER, 1000),
        (Technology.CNC, 800),
        (Technology.VINYL, 400),
    )
}
STEP_S = 1800

OPEN = (time(9, 0), time(20, 0))
STAFFED = ((time(9, 30), time(12, 30)), (time(13, 30), time(18, 30)))
OPEN_DAYS = 5

PROJECT_NAMES = (
    "Lampe de bureau",
    "Drone des lycéens",
    "Pièces pour vélo cargo",
    "Maquette du terril",
    "Bornier solaire",
    "Jeu de société en bois",
    "Prothèse de doigt (prototype)",
    "Boîtier capteur CO₂",
    "Décor du film-débat",
    "Enseigne de la café-cantine",
)
#: (file, side of the tower in mm, layers, lines to a wall): from a quarter of an hour to half a day of printing.
FILES: tuple[tuple[str, int, int, int], ...] = (
    ("etiquette_prenom.gcode", 30, 200, 1),
    ("cube_test.gcode", 20, 300, 1),
    ("charniere.gcode", 40, 350, 1),
    ("poulie_gt2.gcode", 30, 300, 2),
    ("engrenage_v3.gcode", 50, 250, 2),
    ("support_telephone.gcode", 60, 400, 2),
    ("adaptateur_tuyau.gcode", 60, 600, 2),
    ("boitier_capteur.gcode", 80, 600, 2),
    ("figurine_renard.gcode", 70, 800, 2),
    ("vase_ondule.gcode", 110, 800, 2),
    ("casque_velo_cale.gcode", 120, 900, 2),
    ("lampe_abat_jour.gcode", 150, 900, 2),
)

#: (file, material) of what waits today.
QUEUED: tuple[tuple[str, str], ...] = (
    ("etiquette_prenom.gcode", "PLA"),
    ("support_telephone.gcode", "PETG"),
    ("cube_test.gcode", "PLA"),
    ("poulie_gt2.gcode", "PLA"),
    ("boitier_capteur.gcode", "PETG"),
    ("vase_ondule.gcode", "PLA"),
    ("engrenage_v3.gcode", "PETG"),
)

#: (file, material, wanted in so many hours, taken back) of what waits behind it. The withdrawn ones leave gaps, which
#: the server's search fills while one looks on.
LATER: tuple[tuple[str, str, int | None, bool], ...] = (
    *(("boitier_capteur.gcode", material, None, True) for material in ("PLA", "PETG") * 4),
    ("adaptateur_tuyau.gcode", "PETG", None, False),
    ("adaptateur_tuyau.gcode", "PLA", None, False),
    ("figurine_renard.gcode", "PLA", None, False),
    ("support_telephone.gcode", "PLA", 16, False),
    ("support_telephone.gcode", "PETG", None, False),
    ("poulie_gt2.gcode", "PETG", 20, False),
    ("poulie_gt2.gcode", "PLA", None, False),
    ("engrenage_v3.gcode", "PLA", 16, False),
    ("engrenage_v3.gcode", "PETG", None, False),
    ("cube_test.gcode", "PETG", 12, False),
)

#: The tablet beside the first machine, and what badge readers would type for the maker and three others.
KIOSK = "Tablette du premier atelier"
BADGES = ("04A1B2C3", "04A1B2C4", "04A1B2C5", "04A1B2C6")
